/** How a cell is coloured. */
export type Mood = 'good' | 'bad' | 'unsure' | 'plain'

export interface Cell {
  readonly text: string
  readonly mood: Mood
}

/** What an operator sees at `/`: problems first, then facts, then tables. */
export interface StatusPage {
  readonly title: string
  /** Whatever needs a hand, as sentences; multi-line text keeps its lines. */
  readonly problems: readonly string[]
  readonly facts: readonly (readonly [name: string, value: string])[]
  readonly tables: readonly {
    readonly title: string
    readonly columns: readonly string[]
    readonly rows: readonly (readonly (string | Cell)[])[]
    /** Shown instead of an empty table. */
    readonly whenEmpty: string
  }[]
}

/** One self-contained page: no script, no foreign resource; reloads itself every two seconds. */
export function renderStatusPage({ title, problems, facts, tables }: StatusPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="2">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><nav><a href="/state">state</a><a href="/metrics">metrics</a><a href="/readyz">readyz</a></nav></header>
${problems.map((problem) => `<pre class="problem">${escapeHtml(problem)}</pre>`).join('\n')}
<dl>${facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join('')}</dl>
${tables.map(renderTable).join('\n')}
</body>
</html>
`
}

function renderTable({ title, columns, rows, whenEmpty }: StatusPage['tables'][number]): string {
  const head = `<h2>${escapeHtml(title)}</h2>`
  if (rows.length === 0) return `${head}<p class="empty">${escapeHtml(whenEmpty)}</p>`
  const header = columns.map((column) => `<th>${escapeHtml(column)}</th>`).join('')
  const body = rows.map((row) => `<tr>${row.map(renderCell).join('')}</tr>`).join('\n')
  return `${head}<table><thead><tr>${header}</tr></thead><tbody>\n${body}\n</tbody></table>`
}

function renderCell(cell: string | Cell): string {
  if (typeof cell === 'string') return `<td>${escapeHtml(cell)}</td>`
  return `<td class="${cell.mood}">${escapeHtml(cell.text)}</td>`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

const STYLE = `
:root{color-scheme:light dark;--line:#8883;--dim:#888;--good:#1a7f37;--bad:#cf222e;--unsure:#9a6700}
@media(prefers-color-scheme:dark){:root{--good:#3fb950;--bad:#ff7b72;--unsure:#d29922}}
body{font:14px/1.45 system-ui,sans-serif;max-width:72rem;margin:1.5rem auto;padding:0 1rem}
header{display:flex;align-items:baseline;gap:1.5rem;border-bottom:1px solid var(--line)}
h1{font-size:1.3rem;margin:.4rem 0}h2{font-size:1rem;margin:1.4rem 0 .3rem}
nav a{margin-right:.8rem;color:var(--dim)}
dl{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:.8rem 0}dt{color:var(--dim);font-size:.8rem}dd{margin:0}
table{border-collapse:collapse;width:100%}th{font-weight:500;color:var(--dim);font-size:.8rem}
th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
td{font-variant-numeric:tabular-nums;white-space:pre-line}
.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}.unsure{color:var(--unsure)}.empty{color:var(--dim)}
.problem{border-left:4px solid var(--bad);padding:.4rem .8rem;white-space:pre-wrap;background:#f001}
`
