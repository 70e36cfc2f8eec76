/** A request that reads the answer itself, from the whole frame, instead of leaving that to the package. */
export interface TakesFrame {
  /** @throws RangeError when it makes no sense. */
  take(frame: Buffer): void
}

export function takesFrame(request: object): request is TakesFrame {
  return 'take' in request
}
