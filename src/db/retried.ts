/** Each that is void met a change that succeeded: so many at once are not to be expected. */
const triesMost = 20

/** Milliseconds of a pause, at most. */
const pauseMost = 2000

/** Repeats an attempt that gave undefined, as concurrent changes have made its statement void. */
export async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < triesMost; tries++) {
    const from = performance.now()
    const done = await attempt()
    if (done !== undefined) return done
    const took = performance.now() - from
    // By chance, as all that begin again together would meet again, and one alone succeed.
    await scheduler.wait(Math.random() * Math.min(took * 2 ** tries, pauseMost))
  }
  throw new Error(`concurrent changes got in the way ${triesMost} times`)
}
