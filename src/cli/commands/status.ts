import { adminUrl, askNerve, askSynapse, DEFAULT_NERVE, DEFAULT_SYNAPSE } from '../admin-client.ts'
import { type Arguments, Misuse } from '../arguments.ts'
import { type CliCommand, exitStatus } from '../command.ts'
import { type DaemonReport, formatHint, formatVerdict, reportNerve, reportSynapse } from '../status-report.ts'

/** Asks the daemons of this machine how they are. */
export const status: CliCommand = {
  name: 'status',
  summary: 'how nerve and synapse are, and what needs a hand',
  operands: '',
  flags: {
    nerve: { value: 'URL', help: `nerve's admin server: a URL, host:port or port` },
    synapse: { value: 'URL', help: `synapse's, likewise` },
  },
  details: `
Without flags both are asked, nerve on port 3211 and synapse on 3210 of this
machine. With one flag only that one is asked: many machines run only one.
Exit status: 0 all is well, 1 something needs a hand or does not answer.`,
  async run(args, context, signal) {
    if (args.operands.length > 0) throw new Misuse(`"${args.operands[0]}" is not expected here`)
    const { clock } = context
    const chosen = args.has('nerve') || args.has('synapse')
    const nerveUrl = urlOf(args, 'nerve', chosen ? undefined : DEFAULT_NERVE)
    const synapseUrl = urlOf(args, 'synapse', chosen ? undefined : DEFAULT_SYNAPSE)
    const reports: readonly DaemonReport[] = await Promise.all(
      [
        nerveUrl === undefined
          ? []
          : [askNerve(nerveUrl, clock, signal).then((answer) => reportNerve(answer, context))],
        synapseUrl === undefined
          ? []
          : [askSynapse(synapseUrl, clock, signal).then((answer) => reportSynapse(answer, context))],
      ].flat(),
    )
    const needsHand = reports.some(({ problems }) => problems.length > 0)
    if (args.has('json')) {
      const daemons = reports.map(({ lines: _, ...report }) => report)
      context.print(`${JSON.stringify({ ok: !needsHand, daemons }, null, 2)}\n`)
    } else {
      const hint = chosen ? [] : formatHint(reports)
      const blocks = [...reports.map(({ lines }) => lines), [...formatVerdict(reports, context), ...hint]]
      context.print(`${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n`)
    }
    return needsHand ? exitStatus.trouble : exitStatus.fine
  },
}

function urlOf(args: Arguments, flag: 'nerve' | 'synapse', fallback: string | undefined): string | undefined {
  const text = args.value(flag)
  if (text === undefined) return fallback
  const url = adminUrl(text)
  if (url === undefined) throw new Misuse(`--${flag} needs a URL, host:port or port, not "${text}"`)
  return url
}
