/** An attempt is void because another change succeeded: so many at once are not expected. */
const triesMost = 20

/** Repeats an attempt until it gives something: undefined means that another change came first. */
export async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < triesMost; tries++) {
    const done = await attempt()
    if (done !== undefined) return done
  }
  throw new Error(`concurrent changes got in the way ${triesMost} times`)
}
