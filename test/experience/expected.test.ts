import { describe, expect, it } from 'vitest'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Failure } from '../../src/failure.ts'
import { grouped } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { failures, hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { planOf, watched } from '../support/plans.ts'
import { checkExpected } from '../../src/experience/expected.ts'
import { newWorkspace } from '../support/workspaces.ts'

const expected = { header: '"0"', revisions: [0] }

async function scene() {
  const hazard = hazardous()
  const { res } = hazard
  const workspace = newWorkspace()
  const { id: group } = await grouped(res, workspace)
  return {
    ...{ ...hazard, workspace, group },
    upload: (id: string) =>
      receiveUpload(res, workspace, group, {
        ...{ createdBy: 'tester', parts: parts('ADD', `${id}\n`), expected },
      }),
    jobs: () =>
      homeDb
        .prepare('SELECT count(*) AS n FROM jobs WHERE workspace_id = ?')
        .bind(workspace)
        .first<number>('n'),
  }
}

const isRefused = (error: unknown) =>
  error instanceof Failure && ['job-before', 'jobs-waiting'].includes(error.facts.reason)
const outcomeOf = (upload: Promise<unknown>): Promise<'accepted' | 'refused'> =>
  upload.then(
    () => 'accepted',
    (error: unknown) => (isRefused(error) ? 'refused' : Promise.reject(error as Error)), // as it came
  )

describe('two uploads that expect the same revision', () => {
  it('are one accepted and one refused, wherever one waits', async () => {
    for (let at = 0; at < 4; at++) {
      const { fuse, upload, jobs } = await scene()
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) => fuse({ at, until: promise, fallen }))
      const sleeper = outcomeOf(upload('ann'))
      await Promise.race([asleep, sleeper])
      fuse(undefined)
      const second = await outcomeOf(upload('bob'))
      resolve()
      expect([await sleeper, second].toSorted()).toEqual(['accepted', 'refused'])
      expect(await jobs()).toBe(1)
    }
  })

  it('open one job where the answer to the first is lost', async () => {
    for (const fault of failures(4)) {
      const { fuse, upload, jobs } = await scene()
      fuse(fault)
      await upload('ann').catch(unlessCrash)
      fuse(undefined)
      await outcomeOf(upload('ann'))
      expect(await jobs()).toBe(1)
    }
  })
})

describe('what is expected', () => {
  it('is checked by seeks in indexes', async () => {
    const { workspace, group } = await scene()
    const { db, statements } = watched()
    await checkExpected(db, workspace, group, expected)
    const [statement] = statements
    if (statement === undefined) throw new Error('nothing was asked')
    expect((await planOf(statement)).filter((step) => /^(SEARCH|SCAN)/.test(step))).toEqual([
      'SEARCH g USING INDEX experience_groups_by_id (workspace_id=? AND id=?)',
      'SEARCH u USING INDEX jobs_unended_by_group (group_key=?)',
    ])
  })
})
