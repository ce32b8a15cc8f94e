import type { SQL } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { jobs } from '../../src/db/schema.ts'
import { guardOf } from '../../src/jobs/checkpoint.ts'
import { beingErased } from '../../src/experience/erased-people.ts'
import * as members from '../../src/membership/members.ts'
import { statementOf, planOf } from '../support/plans.ts'

const plan = (statement: SQL) => planOf(statementOf(statement))

const at = { workspace: 1, group: 1, revision: 2 }
const range = { after: 'a', upTo: 'b' }
const guard = guardOf(jobs, { key: 1, step: 1 })

describe('the plan of a statement over members', () => {
  it('seeks each id of a REMOVE by the whole primary key', async () => {
    expect(await plan(members.removeMembers(at, members.listed(['ann']), guard))).toContain(
      'SEARCH members USING PRIMARY KEY (workspace_id=? AND participant_id=? AND group_key=?)',
    )
  })

  it.each([
    ['removing the unseen', members.removeUnseen(at, range, guard)],
    ['pruning', members.pruneDead(at, range, 1)],
    ['bringing back', members.bringBack(at, range, { live: 1, others: beingErased(1), guard })],
    ['removing the added', members.removeAdded(at, range, 1, guard)],
    ...members
      .undoRevision(at, range, beingErased(1), guard)
      .map((statement, i) => [`undoing (${i + 1})`, statement] as const),
  ] as const)('walks one range of the group for %s', async (_, statement) => {
    expect(await plan(statement)).toContain(
      'SEARCH members USING INDEX members_by_group (group_key=? AND participant_id>? AND participant_id<?)',
    )
  })

  it('finds the end of a range in the index alone', async () => {
    expect(await plan(members.rangeEnd(at, 'a', 10))).toEqual([
      'SEARCH members USING COVERING INDEX members_by_group (group_key=? AND participant_id>?)',
    ])
  })

  it('never scans a table', async () => {
    const statements = [
      members.addMembers(at, members.listed(['ann']), guard),
      members.upsertMembers(at, members.listed(['ann']), guard),
      members.eraseMembers(at, 10),
      members.removeUnseen(at, { after: '', upTo: undefined }, guard),
    ]
    for (const statement of statements)
      expect((await plan(statement)).join('\n')).not.toMatch(/SCAN (members|jobs)/)
  })
})
