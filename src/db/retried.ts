/** An attempt is void because another change succeeded: so many at once are not expected. */
const triesMost = 20

/** Milliseconds of a pause, at most. */
const pauseMost = 2000

/** Repeats an attempt until it gives something: undefined means that another change came first. */
export async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < triesMost; tries++) {
    const from = performance.now()
    const done = await attempt()
    if (done !== undefined) return done
    const took = performance.now() - from
    // Random, as attempts that begin again together would meet again, and only one succeed.
    await scheduler.wait(Math.random() * Math.min(took * 2 ** tries, pauseMost))
  }
  throw new Error(`concurrent changes got in the way ${triesMost} times`)
}
