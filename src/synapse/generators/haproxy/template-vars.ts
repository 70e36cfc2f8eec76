/** What the placeholders of an option string stand for. */
export interface TemplateVars {
  readonly name: string
  readonly host: string
  readonly port: number
}

const PLACEHOLDER = /%(?:\{(host|port|name)\}|%)/g

/**
 * Fills in `%{name}`, `%{host}` and `%{port}`; `%%` is a percent sign. Any other `%` stays as it is: Airbnb's synapse
 * crashes on it, but HAProxy's own options may well contain one.
 */
export function expandVars(text: string, vars: TemplateVars): string {
  if (!text.includes('%')) return text
  return text.replace(PLACEHOLDER, (_match, key: keyof TemplateVars | undefined) =>
    key === undefined ? '%' : String(vars[key]),
  )
}
