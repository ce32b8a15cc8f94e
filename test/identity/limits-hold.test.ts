import fc from 'fast-check'
import { expect, it } from 'vitest'
import { erasePerson } from '../../src/erasure/request.ts'
import { Failure } from '../../src/failure.ts'
import { readAttributes } from '../../src/identity/attributes.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { mergeUser, replaceUser } from '../../src/identity/profiles.ts'
import { takeReports, writeReports } from '../../src/identity/reports.ts'
import { runUsersJob } from '../../src/identity/users-file.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { findUsersJob } from '../../src/identity/users-jobs.ts'
import type { ReportsMessage } from '../../src/messages.ts'
import { lines } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { fileParts, hazardous } from '../support/hazard.ts'
import { runs } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

const [usersMax, attributesMax, bytesMax] = [3, 3, 100]

const user = fc.constantFrom('ann', 'bob', 'cat', 'dan')
const name = fc.constantFrom('a', 'b', 'c', 'd')
const text = fc.constantFrom(0, 1, 30, 60, 80).map((length) => 'x'.repeat(length))
const value = fc.oneof(text, fc.constantFrom(null, ['ü', 'q'.repeat(20)], 7))
const attributes = fc.dictionary(name, value, { minKeys: 1, maxKeys: 4, size: 'max' })
const what = <const What extends string>(...names: What[]) => fc.constantFrom(...names)
const deed = fc.oneof(
  fc.record({
    what: what('events'),
    reports: fc.array(fc.record({ user, ago: fc.nat(40), attributes }), {
      minLength: 1,
      maxLength: 8,
    }),
  }),
  { weight: 3, arbitrary: fc.record({ what: what('put', 'patch'), user, attributes }) },
  fc.record({ what: what('delete', 'erase'), user }),
  { weight: 2, arbitrary: fc.record({ what: what('write', 'run') }) },
  fc.record({
    what: what('file'),
    names: fc.uniqueArray(name, { minLength: 2, maxLength: 2 }),
    rows: fc.array(fc.tuple(user, text, text), { minLength: 1, maxLength: 8 }),
  }),
)

const largest = (measure: string) => `(SELECT coalesce(max(n), 0) FROM (
  SELECT ${measure} AS n FROM user_attributes
  WHERE workspace_id = ?1 AND value IS NOT NULL GROUP BY user_id))`

async function limitsHold(workspace: number): Promise<void> {
  const found = await homeDb
    .prepare(
      `SELECT coalesce((SELECT users FROM workspaces WHERE workspace_id = ?1), 0) AS counted,
      (SELECT count(*) FROM users WHERE workspace_id = ?1) AS users,
      ${largest('count(*)')} AS attributes,
      ${largest('sum(octet_length(name) + octet_length(value))')} AS bytes`,
    )
    .bind(workspace)
    .first<{ counted: number; users: number; attributes: number; bytes: number }>()
  expect(found?.counted).toBe(found?.users)
  expect(found?.users).toBeLessThanOrEqual(usersMax)
  expect(found?.attributes).toBeLessThanOrEqual(attributesMax)
  expect(found?.bytes).toBeLessThanOrEqual(bytesMax)
}

function stage() {
  const workspace = newWorkspace()
  const { res, reportsEnqueued } = hazardous({
    USERS_MAX: usersMax,
    USER_ATTRIBUTES_MAX: attributesMax,
    PROFILE_BYTES_MAX: bytesMax,
  })
  const files: number[] = []
  /** Nothing that was taken may fail: it would come again and again. */
  const writes = async () => {
    const messages = reportsEnqueued.splice(0) as ReportsMessage[] // nothing else is in that queue
    expect(await writeReports(res, messages)).toEqual(new Map())
  }
  const runsFile = async () => {
    const key = files.shift()
    if (key === undefined) return
    await runUsersJob(res, workspace, key)
    expect((await findUsersJob(res.databaseOf(workspace), workspace, key))?.failure).not.toBe(
      'gave-up',
    )
  }
  const happens = async (next: typeof deed extends fc.Arbitrary<infer Deed> ? Deed : never) => {
    res.meter.statements = 0
    switch (next.what) {
      case 'events':
        return takeReports(
          res,
          workspace,
          next.reports.map(({ user, ago, attributes }) => ({
            user,
            at: Date.now() - ago,
            changes: readAttributes(attributes),
          })),
        )
      case 'put':
        return replaceUser(res, workspace, next.user, readAttributes(next.attributes))
      case 'patch':
        return mergeUser(res, workspace, next.user, readAttributes(next.attributes))
      case 'delete':
        return deleteUser(res, workspace, next.user)
      case 'erase':
        return erasePerson(res, workspace, next.user, 'tester')
      case 'write':
        return writes()
      case 'run':
        return runsFile()
      case 'file': {
        const rows = next.rows.map((row) => row.join())
        const file = lines([`user_id,${next.names.join()}`, ...rows])
        const { key } = await receiveUsers(res, workspace, 'tester', fileParts(file))
        files.push(key)
      }
    }
  }
  const ends = async () => {
    while (files.length > 0) await runsFile()
    await writes()
  }
  return { workspace, happens, ends }
}

const unlessRefused = (error: unknown) => {
  if (!(error instanceof Failure && ['limit', 'not-found'].includes(error.facts.reason)))
    throw error
}

it('limits of users hold, and nothing that was taken fails', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { maxLength: 25, size: 'max' }), async (deeds) => {
      const { workspace, happens, ends } = stage()
      for (const next of deeds) {
        await happens(next).catch(unlessRefused)
        await limitsHold(workspace)
      }
      await ends()
      await limitsHold(workspace)
    }),
    runs(12),
  )
})
