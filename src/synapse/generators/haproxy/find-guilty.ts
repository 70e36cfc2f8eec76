/** One check of 10,000 servers takes 0.2 s: this is the most that a search may cost. */
const MAX_CHECKS = 40

export interface Search<Refusal, Culprit> {
  /** All services in file order, of which each could be left out. */
  readonly suspects: readonly Culprit[]
  /** Whom a refusal names, without those that are left out already. */
  readonly accused: (refusal: Refusal, leftOut: readonly Culprit[]) => readonly Culprit[]
  /** Why the configuration is refused without these; undefined when it is not. */
  readonly check: (without: readonly Culprit[]) => Promise<Refusal | undefined>
  /** A suspect that was not named, with the refusal that it causes. */
  readonly convict: (suspect: Culprit, refusal: Refusal) => Culprit
}

/**
 * Finds those without whom a refused configuration is accepted: those whom HAProxy names, and where it names nobody, by
 * leaving out half of the others again and again. Where two do not get along the later one is guilty.
 * @returns nobody when leaving out all of them would not help, or when the search takes too long.
 */
export async function findGuilty<Refusal, Culprit>(
  first: Refusal,
  search: Search<Refusal, Culprit>,
): Promise<readonly Culprit[]> {
  const guilty: Culprit[] = []
  let checks = 0
  const check = (without: readonly Culprit[]) => {
    checks += 1
    return search.check(without)
  }
  for (let refusal: Refusal | undefined = first; refusal !== undefined; refusal = await check(guilty)) {
    if (checks >= MAX_CHECKS) return []
    const named = search.accused(refusal, guilty)
    const found: readonly Culprit[] = named.length > 0 ? named : await bisect(refusal, guilty, { ...search, check })
    if (found.length === 0) return []
    guilty.push(...found)
  }
  return guilty
}

/** The first suspect with whom, and all before it, the configuration is refused. */
async function bisect<Refusal, Culprit>(
  refused: Refusal,
  guilty: readonly Culprit[],
  { suspects, check, convict }: Search<Refusal, Culprit>,
): Promise<readonly Culprit[]> {
  const without = (from: number) => check([...guilty, ...suspects.slice(from)])
  if ((await without(0)) !== undefined) return []
  let refusal = refused
  let accepted = 0
  let tooMany = suspects.length
  while (tooMany - accepted > 1) {
    const middle = (accepted + tooMany) >> 1
    const answer = await without(middle)
    if (answer === undefined) accepted = middle
    else {
      tooMany = middle
      refusal = answer
    }
  }
  const culprit = suspects[tooMany - 1]
  return culprit === undefined ? [] : [convict(culprit, refusal)]
}
