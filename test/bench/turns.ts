/** Runs things in turn, repeatedly, and returns each one's milliseconds. */
export async function inTurn(
  times: number,
  things: ((i: number) => Promise<void>)[],
): Promise<number[][]> {
  const took = things.map((): number[] => [])
  for (let i = 0; i < times; i++)
    for (const [which, thing] of things.entries()) {
      const start = performance.now()
      await thing(i)
      took[which]?.push(performance.now() - start)
    }
  return took
}

/** A GET whose answer is read to its end. Throws where its status is another. */
export async function request(
  url: string,
  headers: Record<string, string>,
  status: number,
): Promise<void> {
  const response = await fetch(url, { headers })
  await response.arrayBuffer()
  if (response.status !== status)
    throw new Error(`${url} answered ${response.status}, not ${status}`)
}
