/** An attempt is void because another change succeeded: so many at once are not expected. */
const triesMost = 20

/** Milliseconds of a pause: of the first, and of any, at most. */
const pauseFirst = 4
const pauseMost = 500

/** Repeats an attempt until it gives something: undefined means that another change came first. */
export async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < triesMost; tries++) {
    const done = await attempt()
    if (done !== undefined) return done
    // Random, as attempts that begin again together would meet again, and only one succeed.
    await scheduler.wait(Math.random() * Math.min(pauseFirst * 2 ** tries, pauseMost))
  }
  throw new Error(`concurrent changes got in the way ${triesMost} times`)
}
