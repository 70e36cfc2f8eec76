/**
 * Makes a value at the first use and again when it is wanted after the garbage collection has taken it: for what costs
 * more memory to keep than time to make, such as the schema of a configuration that is read once in weeks.
 */
export function weakMemo<T extends WeakKey>(make: () => T): () => T {
  let made: WeakRef<T> | undefined
  return () => {
    const kept = made?.deref()
    if (kept !== undefined) return kept
    const value = make()
    made = new WeakRef(value)
    return value
  }
}
