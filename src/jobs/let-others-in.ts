/** Milliseconds of a pause; one that took longer than `unused` was used by others. */
const pause = 1
const unused = 3

/** Pauses for as long as others use that, and at most `ms`. */
export async function letOthersIn(ms: number): Promise<void> {
  const until = performance.now() + ms
  for (let from = performance.now(); ;) {
    await new Promise((resolve) => setTimeout(resolve, pause))
    const now = performance.now()
    if (now - from < unused || now > until) return
    from = now
  }
}
