import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { scopes } from '../../src/access/scopes.ts'
import { listAudiences } from '../../src/audiences/audiences.ts'
import { listGroups } from '../../src/experience/groups.ts'
import { listGroupsWithCounts } from '../../src/experience/revisions.ts'
import { listExperiments } from '../../src/experiments/experiments.ts'
import { listDefinitionsWithRuns } from '../../src/identity/runs.ts'
import type { Db } from '../../src/db/connect.ts'
import { said } from '../support/answers.ts'
import { lines, newClient } from '../support/api.ts'
import { signIn, visit } from '../support/console.ts'
import { callWith } from '../support/door.ts'
import { Lab } from '../support/experiments.ts'
import { household } from '../support/identity.ts'
import { plansOf, watched } from '../support/plans.ts'
import { settled } from '../support/settled.ts'
import { watchedCalls } from '../support/watched-calls.ts'

/** An answer's status, and how many calls of the database it took. */
async function roundsOf(path: string, headers: Record<string, string>) {
  let rounds = 0
  const db = watchedCalls((run) => {
    rounds++
    return run()
  }, env.DB)
  const session = { ...db, getBookmark: () => null }
  // What `connect` and `resources` call is there.
  const DB = { ...db, withSession: () => session } as unknown as D1Database
  const { status } = await callWith({ DB }, path, { headers })
  return { status, rounds }
}

/** Signed in by a session that the isolate knows. */
const cookieIn = async (workspace: number) =>
  (await signIn(await newClient([...scopes], workspace))).cookie

/** Each page of the menu: the same in JSON, and how often each asks the database. */
const pages: [page: string, json: string, rounds: { page: number; json: number }][] = [
  ['groups', '/groups/v3/groups', { page: 1, json: 1 }],
  ['experiments', '/experiments', { page: 1, json: 1 }],
  // An audience within another takes all rules.
  ['audiences', '/audiences', { page: 2, json: 2 }],
  ['households', '/groups', { page: 1, json: 1 }],
  ['people', '/openapi.json', { page: 0, json: 0 }],
  ['webhooks', '/webhooks', { page: 1, json: 1 }],
  ['activity', '/events', { page: 1, json: 1 }],
  ['usage', '/usage', { page: 1, json: 1 }],
  ['reference', '/openapi.json', { page: 0, json: 0 }],
]

describe('a page of the menu', () => {
  let bearer: Record<string, string>
  let own: string
  let cookie: string
  beforeAll(async () => {
    const { team } = await settled()
    const rule = { operator: 'in_audience', audience: 'coupon' }
    await said(team.send('POST', '/audiences', { id: 'within', name: 'Within', rule }))
    bearer = { authorization: `Bearer ${team.token}`, transactionId: crypto.randomUUID() }
    own = `/platform/workspaces/${team.workspace}`
    cookie = await cookieIn(team.workspace)
  }, 60_000)

  it.each(pages)('asks the database no oftener for %s than %s does', async (page, json, rounds) => {
    const path = /^.(groups.v3|openapi)/.test(json) ? json : own + json
    expect({
      page: await roundsOf(`/console/${page}`, { cookie }),
      json: await roundsOf(path, bearer),
    }).toEqual({
      page: { status: 200, rounds: rounds.page },
      json: { status: 200, rounds: rounds.json },
    })
  })
})

describe('a full page', () => {
  let lab: Lab
  let cookie: string
  beforeAll(async () => {
    lab = await Lab.open([...scopes])
    const { team, bank } = lab
    await team.define(household)
    const rule = { operator: 'equals', attribute: 'has_dog', value: true }
    for (let i = 0; i < 60; i++) {
      const group = await bank.group(`The group of customers number ${i}`)
      const name = `The ${i}th of many experiments about the colour of a button`
      await lab.draft(`checkout-button-${i}`, { name, group_id: group })
      const id = `customers-with-dogs-${i}`
      const called = { id, name: `Customers of branch ${i} with a dog`, rule }
      await said(team.send('POST', '/audiences', called))
      if (i % 2 === 0) await team.attach(id, group)
      else if (i < 10) await bank.apply(group, 'ADD', lines(['ann', 'bob']))
    }
    for (let i = 0; i < 20; i++)
      await said(
        team.send('POST', '/webhooks', {
          url: `https://receiver-${i}.example.com/events/of/coterie`,
          description: 'Tells the warehouse of all that happens to groups',
        }),
      )
    const attributes = Array.from({ length: 60 }, (_, i) => [`attribute_${i}`, 'v'.repeat(100)])
    await team.user('jane', Object.fromEntries(attributes))
    cookie = await cookieIn(team.workspace)
  }, 120_000)

  // The browser's files have 25 KB: see `console/everywhere`.
  it.each([
    'groups',
    'experiments',
    'audiences',
    'households',
    'people?id=jane',
    'webhooks',
    'activity',
    'usage',
    'reference',
  ])('of %s has less than 35 KB', async (page) => {
    const answer = await visit(`/console/${page}`, cookie)
    expect(answer.status).toBe(200)
    const { length } = await answer.text()
    expect(length).toBeGreaterThan(2000)
    expect(length).toBeLessThan(35_000)
  })

  it('is read by indexes, in rows of what it shows', async () => {
    const { workspace } = lab.team
    const sort = { field: 'name', descending: false } as const
    const reads: [rows: number, read: (db: Db) => Promise<unknown>][] = [
      [90, (db) => listGroups(db, workspace, { page: 0, size: 30, sort })],
      [200, (db) => listGroupsWithCounts(db, workspace, { page: 0, size: 30, sort })],
      [180, (db) => listAudiences(db, workspace)],
      [180, (db) => listExperiments(db, workspace)],
      [4, (db) => listDefinitionsWithRuns(db, workspace)],
    ]
    for (const [rows, read] of reads) {
      const { db, meter } = watched()
      await read(db)
      expect(meter.rowsRead).toBeLessThanOrEqual(rows)
      const plans = (await plansOf(read)).flatMap(({ plan }) => plan)
      // `n` are the groups of the page.
      expect(plans.filter((step) => /SCAN (?!n$)/.test(step))).toEqual([])
      expect(plans.filter((step) => step.includes('INDEX')).length).toBeGreaterThan(1)
    }
  })
})
