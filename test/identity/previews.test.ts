import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Value } from '../../src/identity/attributes.ts'
import { forecastRange, sizesFrom } from '../../src/identity/forecast.ts'
import { noValues } from '../../src/identity/no-value.ts'
import {
  getPreview,
  openPreview,
  sweepPreviews,
  type Preview,
} from '../../src/identity/previews.ts'
import { hazardous, unlessCrash } from '../support/hazard.ts'
import { planOf, statementOf } from '../support/plans.ts'
import { runs } from '../support/property.ts'
import { inBytes, record, seatAll, type Rule, type Town } from '../support/town.ts'
import { writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const place = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('Elm', 'elm', ' Elm', 'Oak  1', 'OAK 1', '1', 'é', 'É', '😀'),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Value>('', ' ', 'n/a', 'N/A', '-', 5, true, ['Elm'], []),
  },
)

const rule = fc.record({
  source: fc.constant('home'),
  matching: fc.constantFrom(null, 'normalized' as const),
  ignoreValues: fc.constantFrom<(string[] | null)[]>(null, [], ['elm', '5']),
})

/** Each request is out of time after a step. */
const hurried = (vars: object) => {
  const made = hazardous(vars)
  let now = Date.now()
  return { ...made, res: { ...made.res, now: () => (now += 600) } }
}

/** Counts on until all is counted; requests may die at any call, or come twice at once. */
async function counted(
  vars: object,
  workspace: number,
  draft: Rule,
  dies: number[],
): Promise<Preview> {
  const { res, fuse } = hurried(vars)
  const { source, matching = null, ignoreValues = null } = draft
  const whole = { description: '', attributes: [], source, matching, ignoreValues }
  const { id } = await openPreview(res, workspace, whole)
  for (let asked = 0; asked < 200; asked++) {
    const at = dies[asked]
    if (at !== undefined) fuse({ at, when: at % 2 === 0 ? 'before' : 'after' })
    const ask = () => getPreview(res, workspace, id)
    const [found] = await Promise.all([ask().catch(unlessCrash), ask().catch(unlessCrash)])
    fuse(undefined)
    if (found?.state === 'complete') return found
  }
  throw new Error('the preview did not end')
}

describe('a preview of a definition', () => {
  it('counts what a Monday would form, step by step, whatever dies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(place, { minLength: 1, maxLength: 30, size: 'max' }),
        rule,
        fc.constantFrom(2, 5, 20_000),
        fc.array(fc.nat(9), { maxLength: 6 }),
        async (places, draft, usersPerStep, dies) => {
          const workspace = newWorkspace()
          const vars = { GROUP_USERS_MAX: 3, USERS_PER_STEP: usersPerStep }
          const town: Town = new Map()
          places.forEach((home, i) => record(town, `u${String(i).padStart(2, '0')}`, 1, { home }))
          const all = places.map((home, i): [string, Record<string, Value>] => [
            `u${String(i).padStart(2, '0')}`,
            { home },
          ])
          await writeUsers(hazardous().res, workspace, all)

          const { seats, overLimit, withoutValue } = seatAll(town, new Map(), draft, 3)
          const { seats: sizes } = seatAll(town, new Map(), draft, 1000)
          const users = new Map<string, number>()
          for (const value of sizes.values()) users.set(value, (users.get(value) ?? 0) + 1)
          const groups = [...users].map(([value, users]) => ({ value, users }))

          const found = await counted(vars, workspace, draft, dies)
          expect(found.forecast).toMatchObject({
            users: seats.size + overLimit,
            ...{ withoutValue, overLimit, groups: groups.length },
            withList: places.filter((home) => Array.isArray(home)).length,
            largest: groups
              .toSorted((a, b) => b.users - a.users || inBytes(a.value, b.value))
              .slice(0, 20),
          })
          const ofSize = (i: number) =>
            groups.filter(
              ({ users }) => users >= (sizesFrom[i] ?? 0) && users < (sizesFrom[i + 1] ?? Infinity),
            )
          expect(found.forecast.sizes.map(({ groups }) => groups)).toEqual(
            sizesFrom.map((_, i) => ofSize(i).length),
          )
          expect(found.forecast.none.reduce((sum, { users }) => sum + users, 0)).toBe(withoutValue)
          const drawn = found.samples.map(({ value }) => value)
          expect(drawn).toHaveLength(Math.min(10, groups.length))
          expect(drawn).toEqual([...new Set(drawn)].sort(inBytes))
          for (const { value, users, some } of found.samples) {
            expect(some).toHaveLength(Math.min(3, users))
            for (const user of some) expect(sizes.get(user)).toBe(value)
          }
        },
      ),
      runs(12),
    )
  }, 60_000)

  it('is gone after an hour, with its normalized values', async () => {
    const workspace = newWorkspace()
    const { res } = hazardous()
    await writeUsers(res, workspace, [['ann', { home: 'Elm' }]])
    const draft = {
      description: '',
      attributes: [],
      source: 'home',
      matching: 'normalized' as const,
    }
    const { id, key } = await openPreview(res, workspace, draft)
    const left = async () => {
      const query = `SELECT (SELECT count(*) FROM definition_previews WHERE key = ?1)
        + (SELECT count(*) FROM normalized_values WHERE definition_key = -?1) AS n`
      return (await env.DB.prepare(query).bind(key).first<{ n: number }>())?.n
    }
    const later = (ms: number) => ({ ...res, now: () => Date.now() + ms })
    await sweepPreviews(later(3_590_000))
    expect(await left()).toBe(2)
    expect(await getPreview(res, workspace, id)).toMatchObject({ state: 'complete' })
    await expect(getPreview(later(3_600_000), workspace, id)).rejects.toThrow()
    await sweepPreviews(later(3_600_000))
    expect(await left()).toBe(0)
  })

  it.each([null, 'normalized' as const])('reads a range by its index (%s)', async (matching) => {
    const seating = {
      ...{ workspace: 1, definitionKey: -1, attributes: [], source: 'home', matching },
      ...{ noValues: noValues(null, matching !== null), seatsMax: 10, hasCorrections: false },
    }
    const range = { after: 'a', upTo: 'b', crowded: false }
    const plan = await planOf(statementOf(forecastRange(seating, range)))
    expect(plan.join('\n')).toMatch(/user_attributes_by_value/)
    expect(plan.join('\n')).not.toMatch(/SCAN u\b|SCAN nv\b/)
  })
})
