/** Plug-ins of one kind, found by the `type` in the configuration. A plug-in is a value; its index file is the list. */
export class Registry<P extends { readonly type: string }> {
  readonly #kind: string
  readonly #plugins: ReadonlyMap<string, P>

  /** @param kind what a plug-in is called in messages, e.g. `check type`. @param plugins the exports of the index file. */
  constructor(kind: string, plugins: Readonly<Record<string, P>>) {
    this.#kind = kind
    this.#plugins = new Map(Object.values(plugins).map((plugin) => [plugin.type, plugin]))
  }

  /** These and others. */
  with(plugins: Iterable<P>): Registry<P> {
    const all = [...this.#plugins.values(), ...plugins]
    return new Registry(this.#kind, Object.fromEntries(all.map((plugin) => [plugin.type, plugin])))
  }

  has(type: string): boolean {
    return this.#plugins.has(type)
  }

  /** Every known type, sorted. */
  types(): readonly string[] {
    return [...this.#plugins.keys()].sort()
  }

  all(): readonly P[] {
    return this.types().flatMap((type) => this.#plugins.get(type) ?? [])
  }

  /** @throws RangeError that lists the known types. */
  get(type: string): P {
    const plugin = this.#plugins.get(type)
    if (plugin === undefined) {
      throw new RangeError(`unknown ${this.#kind} "${type}"; known are ${this.types().join(', ')}`)
    }
    return plugin
  }
}
