import { randomBytes, randomInt } from 'node:crypto'
import type { Report } from '../local/platform.ts'

/** How many live in each of twenty homes: 2.5 on average, ten at most. */
const sizes = [1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 10]
const alone = sizes.lastIndexOf(1) + 1
const inTwenty = sizes.reduce((sum, size) => sum + size)

/**
 * Users (a multiple of fifty) with a home and three attributes; ids and addresses are unrelated.
 */
export function randomUsers(count: number): Report[] {
  return Array.from({ length: count / inTwenty }, (_, twenty) => twenty).flatMap((twenty) =>
    sizes.flatMap((size, i) =>
      Array.from({ length: size }, () => ({
        user: randomMpid(),
        attributes: { $address: addressOf(twenty * sizes.length + i), ...randomAttributes() },
      })),
    ),
  )
}

/** One user in a hundred changes: half their attributes, half move to someone alone. */
export function randomChanges(users: Report[]): Report[] {
  return Array.from({ length: users.length / 100 }, (_, i) => {
    const { user, attributes } = users[i * 100 + randomInt(100)] ?? {}
    if (user === undefined) throw new Error('fewer users than there are')
    if (i % 2 === 0)
      return {
        user,
        attributes: { ...randomAttributes(), has_dog: attributes?.['has_dog'] === false },
      }
    const home = randomInt(users.length / inTwenty) * sizes.length + randomInt(alone)
    return { user, attributes: { $address: addressOf(home) } }
  })
}

/** A number of 19 digits, as the vendor's. */
const randomMpid = () => String(10n ** 18n + (randomBytes(8).readBigUInt64BE() % (8n * 10n ** 18n)))

const addressOf = (home: number) =>
  `${1 + (home % 200)} ${1 + Math.floor(home / 200)}th Street, Springfield`

// Quarters add up to the same in any order.
const randomAttributes = () => ({
  has_dog: randomInt(4) === 0,
  spend: randomInt(4000) / 4,
  age: String(randomInt(18, 100)),
})
