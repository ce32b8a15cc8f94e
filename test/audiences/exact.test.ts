import { describe, expect, it } from 'vitest'
import { queryAudience } from '../../src/audiences/cached-rule.ts'
import { createAudience, getAudience, updateAudience } from '../../src/audiences/audiences.ts'
import { explainUser } from '../../src/audiences/explain.ts'
import { listUsers } from '../../src/audiences/query.ts'
import { readRule } from '../../src/audiences/rule.ts'
import { parseJson, stringifyJson } from '../../src/json.ts'
import { membersOf } from '../support/api.ts'
import { invokeJob, syncBy } from '../support/audiences.ts'
import { hazardous } from '../support/hazard.ts'
import { peopled } from './populate.ts'

const said = (digits: string) =>
  `{"operator":"or","expressions":[{"operator":"equals","attribute":"n","value":${digits}},` +
  `{"operator":"in","attribute":"n","value":[${digits},"x"]}]}`

describe.each(['9007199254740993', '9223372036854775808', '-1000000000000000000000000000001'])(
  'a rule with the number %s',
  (digits) => {
    const neighbour = digits.replace(/\d$/, (last) => String(Number(last) - 1))
    const rule = readRule(parseJson(said(digits)))

    it('is stored, changed and evaluated with all of its digits', async () => {
      const workspace = await peopled({ ann: { n: digits }, bob: { n: neighbour } })
      const { res } = hazardous()
      const db = res.databaseOf(workspace)
      const draft = { name: 'x', description: '', rule, refresh: 'on_demand' as const }
      await createAudience(res, workspace, 'large', { ...draft, by: 'tester' })
      const kept = async () => stringifyJson((await getAudience(db, workspace, 'large')).rule)
      expect(await kept()).toBe(said(digits))
      await updateAudience(res, workspace, 'large', { ...draft, by: 'tester' })
      expect(await kept()).toBe(said(digits))
      for (const _ of ['first', 'as seen before'])
        expect(
          await queryAudience(db, workspace, 'large', (db, resolvedRule) =>
            listUsers(db, workspace, resolvedRule, { after: '', size: 10 }),
          ),
        ).toMatchObject({ users: ['ann'] })
      const explained = await queryAudience(db, workspace, 'large', (db, resolvedRule) =>
        explainUser(db, workspace, resolvedRule, { user: 'bob' }),
      )
      expect(explained.result).toBe(false)
      expect(stringifyJson(explained.rule)).toBe(said(digits))
    })

    it('fills a group with whom it names', async () => {
      const workspace = await peopled({ ann: { n: digits }, bob: { n: neighbour } })
      const { res } = hazardous()
      const { group, key } = await syncBy(res, workspace, rule)
      await invokeJob(res, workspace, key)
      expect(await membersOf(workspace, group.id)).toEqual(['ann'])
    })
  },
)
