/** Each that is void met a change that succeeded: so many at once are not to be expected. */
const triesMost = 20

/** Milliseconds of a pause: of the first, and of any, at most. */
const pauseFirst = 4
const pauseMost = 500

/** Repeats an attempt that gave undefined, as concurrent changes have made its statement void. */
export async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < triesMost; tries++) {
    const done = await attempt()
    if (done !== undefined) return done
    // By chance, as all that begin again together would meet again, and one alone succeed.
    await scheduler.wait(Math.random() * Math.min(pauseFirst * 2 ** tries, pauseMost))
  }
  throw new Error(`concurrent changes got in the way ${triesMost} times`)
}
