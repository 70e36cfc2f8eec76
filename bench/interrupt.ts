/**
 * Closes what runs when somebody ends us with Ctrl-C or SIGTERM, and exits then: a HAProxy must not stay behind.
 * @returns undoes it.
 */
export function closeOnSignal(close: () => Promise<void>): () => void {
  const onSignal = () => {
    close().then(
      () => process.exit(130),
      (error: unknown) => {
        process.stderr.write(`${error}\n`)
        process.exit(1)
      },
    )
  }
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  return () => {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
  }
}
