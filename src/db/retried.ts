/** Each that is void met a change that succeeded: so many at once are not to be expected. */
const triesMost = 20

/** Repeats an attempt that gave undefined, as concurrent changes have made its statement void. */
export async function retried<Done>(attempt: () => Promise<Done | undefined>): Promise<Done> {
  for (let tries = 0; tries < triesMost; tries++) {
    const done = await attempt()
    if (done !== undefined) return done
  }
  throw new Error(`concurrent changes got in the way ${triesMost} times`)
}
