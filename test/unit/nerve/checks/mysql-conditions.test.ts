import assert from 'node:assert/strict'
import { wrongReadOnly, wrongReplication } from '../../../../src/nerve/checks/mysql-conditions.ts'

describe('wrongReadOnly()', () => {
  const values: readonly [unknown, boolean][] = [
    [0, false],
    ['0', false],
    ['OFF', false],
    [1, true],
    ['ON', true],
    ['NO_LOCK_NO_ADMIN', true],
  ]
  for (const [value, readOnly] of values) {
    it(`reads ${JSON.stringify(value)} as ${readOnly ? 'read-only' : 'writable'}`, () => {
      assert.equal(wrongReadOnly([{ read_only: value }], readOnly), undefined)
      assert.notEqual(wrongReadOnly([{ read_only: value }], !readOnly), undefined)
    })
  }
})

describe('wrongReplication()', () => {
  const mysql8 = { Replica_IO_Running: 'Yes', Replica_SQL_Running: 'Yes', Seconds_Behind_Source: 2, Last_Error: '' }
  const mariadb = { Slave_IO_Running: 'Yes', Slave_SQL_Running: 'Yes', Seconds_Behind_Master: 2, Last_Error: '' }

  for (const [name, row] of Object.entries({ mysql8, mariadb })) {
    it(`compares the lag in the columns of ${name}`, () => {
      assert.equal(wrongReplication([row], 2000), undefined)
      assert.equal(wrongReplication([row], 1500), 'replication is 2 s behind, more than 1.5 s')
    })
  }

  it('looks at every source', () => {
    assert.match(wrongReplication([mysql8, { ...mysql8, Seconds_Behind_Source: 60 }], 5000) ?? '', /60 s behind/)
  })

  it('fails without replication', () => {
    assert.match(wrongReplication([], 5000) ?? '', /not a replica/)
  })

  it('shows which thread has stopped and why', () => {
    const stopped = {
      ...mysql8,
      Replica_SQL_Running: 'No',
      Seconds_Behind_Source: null,
      Last_SQL_Error: 'Duplicate\nentry',
    }
    assert.equal(
      wrongReplication([stopped], 5000),
      'replication is not running (IO thread Yes, SQL thread No): Duplicate entry',
    )
  })

  it('does not take an unknown lag for none', () => {
    assert.match(wrongReplication([{ ...mariadb, Seconds_Behind_Master: null }], 5000) ?? '', /not running/)
    assert.match(wrongReplication([{}], 5000) ?? '', /not running/)
  })
})
