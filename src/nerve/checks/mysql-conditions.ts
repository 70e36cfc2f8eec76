import { oneLine } from './failure.ts'
import type { Row } from './sql-session.ts'

/** Asks for the replication state: MySQL from 8.0.22 and MariaDB from 10.5. */
export const REPLICATION_QUERY = 'SHOW REPLICA STATUS'

/** The same for older servers. */
export const OLD_REPLICATION_QUERY = 'SHOW SLAVE STATUS'

/** Asks whether the server takes writes. */
export const READ_ONLY_QUERY = 'SELECT @@global.read_only AS read_only'

/** Why the server's `read_only` is not as wanted, or undefined when it is. MariaDB 12 has more values than 0 and 1. */
export function wrongReadOnly(rows: readonly Row[], wanted: boolean): string | undefined {
  const value = String(rows[0]?.['read_only'] ?? '')
  const isReadOnly = !['0', 'OFF', ''].includes(value.toUpperCase())
  if (isReadOnly === wanted) return undefined
  return wanted ? 'the server takes writes, expected read_only' : 'the server is read_only'
}

/**
 * Why replication is not as wanted, or undefined when every source of this replica is less than `maxLagMs` behind.
 * Reads the columns of MySQL and MariaDB in their old and new names.
 */
export function wrongReplication(rows: readonly Row[], maxLagMs: number): string | undefined {
  if (rows.length === 0) return 'the server is not a replica, but max_replication_lag is set'
  return rows.map((row) => wrongSource(row, maxLagMs)).find((reason) => reason !== undefined)
}

function wrongSource(row: Row, maxLagMs: number): string | undefined {
  const column = (...names: readonly string[]) => names.map((name) => row[name]).find((value) => value !== undefined)
  const io = String(column('Replica_IO_Running', 'Slave_IO_Running'))
  const sql = String(column('Replica_SQL_Running', 'Slave_SQL_Running'))
  const lag = column('Seconds_Behind_Source', 'Seconds_Behind_Master')
  if (io !== 'Yes' || sql !== 'Yes' || lag === null || lag === undefined) {
    const error = String(column('Last_IO_Error') || column('Last_SQL_Error') || column('Last_Error') || '')
    return `replication is not running (IO thread ${io}, SQL thread ${sql})${error && `: ${oneLine(error, 200)}`}`
  }
  if (Number(lag) * 1000 <= maxLagMs) return undefined
  return `replication is ${Number(lag)} s behind, more than ${maxLagMs / 1000} s`
}
