/**
 * Keeps reloads from running in circles: a reason that is still there after the reload that should have settled it would
 * not be settled by another one. It is given up until it changes or goes away.
 */
export class ReloadReasons {
  #tried: ReadonlySet<string> = new Set()
  #stubborn: ReadonlySet<string> = new Set()

  /** HAProxy was reloaded for these reasons. */
  reloaded(reasons: readonly string[]): void {
    this.#tried = new Set(reasons)
  }

  /**
   * Of the reasons that hold now, those worth a reload, and those seen to be stubborn for the first time.
   * @param isOutdated whether something else is wanted by now than HAProxy was loaded with: a reason may be a new one then,
   * although it is in the same words.
   */
  sift(
    current: readonly string[],
    isOutdated = false,
  ): { readonly wanted: ReadonlySet<string>; readonly givenUp: readonly string[] } {
    const stubborn = new Set(isOutdated ? [] : current.filter((reason) => this.#tried.has(reason)))
    const givenUp = [...stubborn].filter((reason) => !this.#stubborn.has(reason))
    this.#tried = stubborn
    this.#stubborn = stubborn
    return { wanted: new Set(current.filter((reason) => !stubborn.has(reason))), givenUp }
  }

  /** What no reload has settled. */
  get stubborn(): readonly string[] {
    return [...this.#stubborn]
  }
}
