import { describe, expect, it } from 'vitest'
import type { Db } from '../../src/db/connect.ts'
import {
  findGroupsOf,
  findMemberships,
  getMember,
  listGroupsWithMember,
  listMembers,
} from '../../src/membership/lookup.ts'
import { plansOf } from '../support/plans.ts'

const id = crypto.randomUUID()
const ofParticipant = 'SEARCH m USING PRIMARY KEY (workspace_id=? AND participant_id=?)'
const ofBoth = 'SEARCH m USING PRIMARY KEY (workspace_id=? AND participant_id=? AND group_key=?)'
const groupOfKey = 'SEARCH g USING INTEGER PRIMARY KEY (rowid=?)'
const groupOfId = (name = 'g') =>
  `SEARCH ${name} USING INDEX experience_groups_by_id (workspace_id=? AND id=?)`
const groupOfName =
  'SEARCH experience_groups USING INDEX experience_groups_by_name (workspace_id=? AND name=?)'

describe('the plan of a look-up', () => {
  it.each<[what: string, read: (db: Db) => Promise<unknown>, seeks: string[][]]>([
    [
      'the groups of a participant',
      (db) => findGroupsOf(db, 1, 'ann'),
      [[ofParticipant, groupOfKey]],
    ],
    [
      'one in one group',
      (db) => getMember(db, 1, { id }, 'ann'),
      [[groupOfKey, groupOfId('experience_groups'), ofBoth]],
    ],
    [
      'one in a group of an id or a name',
      (db) => getMember(db, 1, { key: 'owls', spellings: ['owls', 'o%77ls'] }, 'ann'),
      [[groupOfKey, groupOfId('experience_groups'), groupOfName, ofBoth]],
    ],
    [
      'one in every group',
      (db) => listGroupsWithMember(db, 1, 'ann'),
      [
        [
          'SEARCH experience_groups USING INDEX experience_groups_by_name (workspace_id=?)',
          ofParticipant,
          groupOfKey,
        ],
      ],
    ],
    [
      'many',
      (db) => findMemberships(db, 1, ['ann', 'bob'], undefined),
      [[ofParticipant, groupOfKey]],
    ],
    [
      'many in some groups',
      (db) => findMemberships(db, 1, ['ann', 'bob'], [id]),
      [[ofParticipant, groupOfKey], [groupOfId()]],
    ],
    [
      'a page of members',
      (db) => listMembers(db, 1, id, { after: 'a', size: 10 }),
      [
        [groupOfId()],
        [groupOfId(), 'SEARCH m USING INDEX members_by_group (group_key=? AND participant_id>?)'],
      ],
    ],
  ])('seeks in indexes, walks through no table and sorts nothing: %s', async (_, read, seeks) => {
    const plans = await plansOf((db) => read(db).catch(() => undefined)) // nothing is there to be found
    const found = plans.map(({ plan }) => plan)
    expect(found.map((plan) => plan.filter((step) => step.startsWith('SEARCH')))).toEqual(seeks)
    // json_each is the list that the caller gave.
    const walks = found
      .flat()
      .filter((step) => step.startsWith('SCAN') && !step.includes('VIRTUAL TABLE'))
    expect([...walks, ...found.flat().filter((step) => step.includes('TEMP B-TREE'))]).toEqual([])
  })
})
