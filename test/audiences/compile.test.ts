import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { costOf } from '../../src/audiences/cost.ts'
import { explainUser, type Explained } from '../../src/audiences/explain.ts'
import { expand } from '../../src/audiences/expand.ts'
import { usersMost } from '../../src/audiences/pace.ts'
import { countUsers } from '../../src/audiences/query.ts'
import { operators, type Rule } from '../../src/audiences/rule.ts'
import { Failure } from '../../src/failure.ts'
import { inBytes } from '../support/town.ts'
import { audiences, population, rule } from './arbitrary.ts'
import { evaluate, lacks, type Population } from './evaluate.ts'
import { resolved, belonging, db, populate } from './populate.ts'
import { runs } from '../support/property.ts'

const drawn = fc.record({
  people: population,
  audiences,
  rules: fc.array(fc.record({ rule, size: fc.integer({ min: 1, max: 5 }) }), {
    minLength: 8,
    maxLength: 8,
  }),
})
type Drawn = typeof drawn extends fc.Arbitrary<infer One> ? One : never

/** Rules of which an operator comes to a result, which may be rare by chance. */
function drawnSoThat(operator: Rule['operator'], result: boolean): Drawn {
  for (let times = 0; times < 200; times++)
    for (const { people, audiences, rules } of fc.sample(drawn, 20))
      for (const one of rules) {
        const whole = expand(one.rule, audiences)
        if (lacks(whole, people)) continue
        for (const { id } of people.users)
          for (const node of nodesOf(evaluate(whole, id, people)))
            if (node.rule.operator === operator && node.result === result)
              return { people, audiences, rules: [one] }
      }
  throw new Error(`${operator} never comes to ${String(result)}`)
}

describe('a rule in SQL', () => {
  it('holds for exactly the users for whom its evaluation in memory holds', async () => {
    const came = new Map(operators.map((operator) => [operator, new Set<boolean>()]))
    let scanned = 0
    let lacking = 0
    const compare = async ({ people, audiences, rules }: Drawn) => {
      const workspace = await populate(people)
      const ids = people.users.map(({ id }) => id).sort(inBytes)
      for (const { rule, size } of rules) {
        const question = await resolvedIfAllowed(workspace, rule, audiences, people)
        if (question === 'lacks') lacking++
        if (typeof question === 'string') continue
        const expected = new Map(ids.map((id) => [id, evaluate(question.rule, id, people)]))
        const matching = ids.filter((id) => expected.get(id)?.result)
        expect(await belonging(workspace, question, size)).toEqual({
          users: matching,
          count: matching.length,
        })
        for (const id of ids.slice(0, 3))
          expect(await explainUser(db, workspace, question, { user: id })).toEqual(expected.get(id))
        for (const one of expected.values())
          for (const { rule, result } of nodesOf(one)) {
            came.get(rule.operator)?.add(result)
            scanned++
          }
      }
    }
    await fc.assert(fc.asyncProperty(drawn, compare), runs(18))
    while (scanned <= 5000 || lacking <= 20)
      for (const one of fc.sample(drawn, 1)) await compare(one)
    for (const [operator, results] of came)
      for (const result of [true, false])
        while (!results.has(result)) await compare(drawnSoThat(operator, result))
  }, 180_000)

  it('holds for the same users where it is asked about each in parts', async () => {
    // So large households that each condition on members is dear.
    const allowed = { groupUsersMax: 10_000, questionSeconds: 20 }
    let inParts = 0
    let holding = 0
    await fc.assert(
      fc.asyncProperty(
        population,
        audiences,
        fc.array(rule, { minLength: 12, maxLength: 12 }),
        async (people, audiences, rules) => {
          const workspace = await populate(people)
          for (const rule of rules) {
            const question = await resolvedIfAllowed(workspace, rule, audiences, people)
            if (typeof question === 'string') continue
            if (usersMost(costOf(question.rule, allowed)) > 0) continue
            const expected = people.users.map(({ id }) => evaluate(question.rule, id, people))
            const matching = expected.filter(({ result }) => result).length
            expect(await countUsers(db, workspace, question, allowed)).toBe(matching)
            const user = people.users[0]?.id
            if (user !== undefined)
              expect(await explainUser(db, workspace, question, { user, allowed })).toEqual(
                expected[0],
              )
            inParts++
            holding += matching
          }
        },
      ),
      runs(6),
    )
    expect(inParts).toBeGreaterThan(5)
    expect(holding).toBeGreaterThan(5)
  }, 180_000)
})

/** Or why it is refused: too many conditions, or an unknown name. */
async function resolvedIfAllowed(
  workspace: number,
  rule: Rule,
  audiences: ReadonlyMap<string, Rule>,
  people: Population,
) {
  try {
    const question = await resolved(workspace, rule, audiences)
    expect(lacks(question.rule, people)).toBe(false)
    return question
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    if (JSON.stringify(error.facts).includes('100 conditions')) return 'too long'
    expect(error.facts).toMatchObject({
      reason: 'rule-refused',
      problem: expect.stringContaining('names no') as string,
    })
    expect(lacks(expand(rule, audiences), people)).toBe(true)
    return 'lacks'
  }
}

function* nodesOf(explained: Explained): Generator<Explained> {
  yield explained
  for (const one of explained.inner ?? []) yield* nodesOf(one)
  for (const { explained: one } of explained.members ?? []) yield* nodesOf(one)
}
