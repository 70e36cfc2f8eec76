import assert from 'node:assert/strict'
import { createStyle } from '../../../src/cli/style.ts'
import { formatParagraph, formatTable, plainText, plural, wrapText } from '../../../src/cli/table.ts'

const style = createStyle(false)
const columns = ['SERVICE', 'COUNT#', 'WHY']

describe('formatTable()', () => {
  it('aligns columns, numbers to the right, and leaves no blank at the end of a line', () => {
    const rows = [
      ['web', '3', 'fine'],
      ['a-long-name', '12', ''],
    ]
    assert.deepEqual(formatTable({ columns, rows, width: 80, style }), [
      '  SERVICE      COUNT  WHY',
      '  web              3  fine',
      '  a-long-name     12',
    ])
  })

  it('leaves out a column that is empty everywhere', () => {
    const rows = [['web', '', 'fine']]
    assert.deepEqual(formatTable({ columns, rows, width: 80, style }), ['  SERVICE  WHY', '  web      fine'])
  })

  it('wraps the last column within its own width', () => {
    const rows = [['web', '3', 'the server at 10.0.0.1:80 has refused the connection']]
    assert.deepEqual(formatTable({ columns, rows, width: 44, style }), [
      '  SERVICE  COUNT  WHY',
      '  web          3  the server at 10.0.0.1:80',
      '                  has refused the connection',
    ])
  })

  it('puts the last column below its row where hardly any width is left for it', () => {
    const rows = [
      ['a-service-with-a-long-name', '3', 'connection refused'],
      ['web', '1', ''],
    ]
    assert.deepEqual(formatTable({ columns, rows, width: 40, style }), [
      '  SERVICE                     COUNT',
      '  a-service-with-a-long-name      3',
      '    connection refused',
      '  web                             1',
    ])
  })

  it('gives each line of a cell a line of its own', () => {
    const rows = [['web', '2', '10.0.0.1:80\n10.0.0.2:80']]
    assert.deepEqual(formatTable({ columns, rows, width: 80, style }).slice(1), [
      '  web          2  10.0.0.1:80',
      '                  10.0.0.2:80',
    ])
  })

  it('colours words, not the blanks beside them, and stays aligned', () => {
    const rows = [
      [{ text: 'up', mood: 'good' }, 'x'],
      [{ text: 'down', mood: 'bad' }, 'y'],
    ] as const
    const lines = formatTable({ columns: ['A', 'B'], rows, width: 80, style: createStyle(true) })
    assert.deepEqual(lines.slice(1), ['  \x1b[32mup\x1b[0m    x', '  \x1b[31mdown\x1b[0m  y'])
  })

  it('lets no text from elsewhere move the cursor', () => {
    const rows = [['web', '1', '\x1b[2Jgone\r']]
    assert.equal(formatTable({ columns, rows, width: 80, style })[1], '  web          1  \\x1b[2Jgone\\x0d')
  })
})

describe('wrapText()', () => {
  it('never cuts a word, however long', () => {
    assert.deepEqual(wrapText('see /a/very/long/path/to/a/file now', 10), ['see', '/a/very/long/path/to/a/file', 'now'])
  })
})

describe('formatParagraph()', () => {
  it('hangs further lines below the first', () => {
    assert.deepEqual(formatParagraph('  - ', 'one two three\nfour', 12), ['  - one two', '    three', '    four'])
  })
})

describe('plainText()', () => {
  it('shows control characters of both sets', () => {
    assert.equal(plainText('a\x07b\x9bc\u00e9'), 'a\\x07b\\x9bc\u00e9')
  })
})

describe('plural()', () => {
  it('counts', () => {
    assert.deepEqual(
      [0, 1, 2].map((count) => plural(count, 'server')),
      ['0 servers', '1 server', '2 servers'],
    )
  })
})
