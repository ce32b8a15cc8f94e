import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile, compiler, type Names } from '../../src/audiences/compile.ts'
import { explainUser } from '../../src/audiences/explain.ts'
import { expand } from '../../src/audiences/expand.ts'
import {
  comparisons,
  groupsIn,
  isLeaf,
  nodesOf,
  readRule,
  type Rule,
} from '../../src/audiences/rule.ts'
import { connect } from '../../src/db/connect.ts'
import { stringifyJson } from '../../src/json.ts'
import { rule } from './arbitrary.ts'
import { resolved, belonging, grouping, populate } from './populate.ts'
import { homeDb } from '../support/databases.ts'
import { runs } from '../support/property.ts'

const leaf: Rule = { operator: 'ends_with', attribute: 'a', value: 'b' }
const plain = new Map<string, Rule>(['plain', 'built', 'neighbours'].map((id) => [id, leaf]))

/** Wraps each part between stars, question marks and colons in a sign, to find it again. */
const marked = (text: string) => text.replace(/[^*?:]+|^$/g, (part) => `§${part}§`)

/** The same rule with each of its strings marked. */
const markedRule = (rule: Rule): Rule =>
  JSON.parse(stringifyJson(rule), (key, value: unknown) =>
    key !== 'operator' && typeof value === 'string' ? marked(value) : value,
  )

describe('the text of a condition', () => {
  it('has no string of a rule in it, whichever they are', () => {
    const shares = ['a', 'b', 'constructor'].map((id) => ({ id: marked(id), type: 'sum' as const }))
    const names: Names = {
      definitions: new Map([
        [marked('household'), { key: 1, attributes: shares }],
        [marked('team'), { key: 2, attributes: shares }],
        [marked('nobody'), { key: 3, attributes: [] }],
      ]),
      groups: new Set(),
    }
    let strings = 0
    fc.assert(
      fc.property(rule, (given) => {
        const whole = expand(
          markedRule(given),
          new Map([...plain].map(([id, one]) => [marked(id), markedRule(one)])),
        )
        const { condition, constants } = compile(whole, names, 'u.user_id')
        expect(condition).toMatch(/^[\n -~]+$/)
        strings += stringifyJson(constants).split('§').length
        // As the statement of an explanation has them.
        const compileLeaf = compiler(names, [])
        for (const { rule } of nodesOf(whole))
          if (isLeaf(rule)) expect(compileLeaf(rule, 's.user_id')).toMatch(/^[\n -~]+$/)
      }),
      runs(200),
    )
    expect(strings).toBeGreaterThan(600)
  })

  it('is the same whatever the strings are, in every statement', async () => {
    const workspace = await populate({
      users: [{ id: 'ann', own: new Map() }],
      definitions: [
        { id: 'household', deleted: false, shares: [{ id: 'own', type: 'sum' }], groups: [] },
      ],
      cohorts: [],
    })
    const said: string[] = []
    const onResults = connect(
      {
        prepare: (query: string) => {
          said.push(query)
          return homeDb.prepare(query)
        },
        batch: (statements: D1PreparedStatement[]) => homeDb.batch(statements),
      } as Pick<D1Database, 'prepare' | 'batch'>, // all that `connect` calls
      { statements: 0, rowsRead: 0, rowsWritten: 0 },
    )
    const texts: string[][] = []
    for (const sign of ['x', '"', "'", '\\', ')', '%', ';', '$', '😀', '\ud800', '\u2028']) {
      await grouping(workspace, groupsIn(readRule(saying(sign))))
      const question = await resolved(
        workspace,
        saying(sign),
        new Map([[`a${sign}d`.toWellFormed(), leaf]]),
      )
      said.length = 0
      await belonging(workspace, question, 1000, onResults)
      await explainUser(onResults, workspace, question, { user: 'ann' })
      texts.push([...said])
    }
    expect(texts[0]?.length).toBeGreaterThanOrEqual(3)
    for (const one of texts) expect(one).toEqual(texts[0])
  })
})

/** A rule of every operator, with a sign in every string. */
function saying(sign: string) {
  const each = (value: string) =>
    comparisons.map((operator) => ({ operator, attribute: `${sign}a`, value }))
  const all = (...expressions: unknown[]) => ({ operator: 'and', expressions })
  return all(
    ...each(`${sign}v`),
    ...each(`*${sign}?${sign}*${sign}*?${sign}`),
    ...each(`${sign}*${sign}*`),
    ...each(`?${sign}`),
    { operator: 'in', attribute: `${sign}b`, value: [sign, `${sign}'`, 5] },
    { operator: 'not_in', attribute: 'household:own', value: [`${sign}"`] },
    { operator: 'exists', attribute: `household:${sign}` },
    { operator: 'not_exists', attribute: `${sign}:c` },
    { operator: 'in_group', group: `${sign}g` },
    {
      operator: 'any_member',
      group: 'household',
      expression: all({ operator: 'in_group', group: sign }, ...each(`*${sign}*`)),
    },
    {
      operator: 'no_member',
      group: 'household',
      expression: { operator: 'exists', attribute: sign },
    },
    {
      operator: 'all_members',
      group: 'household',
      expression: { operator: 'in_audience', audience: `a${sign}d` },
    },
  )
}
