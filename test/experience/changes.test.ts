import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { exportChanges, findChange, listChanges } from '../../src/experience/changes.ts'
import { cancelJob, publishJob } from '../../src/experience/held.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import type { ChangeKind } from '../../src/membership/changes.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import { lines, membersOf } from '../support/api.ts'
import { grouped } from '../support/audiences.ts'
import { deeds, everybody, groupHistory, type Deed } from '../support/group-history.ts'
import { hazardous, parts } from '../support/hazard.ts'
import { people } from '../support/held.ts'
import { plansOf } from '../support/plans.ts'
import { runs } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

async function* fields(mode: string, type: string, ids: string[]): AsyncGenerator<UploadPart> {
  yield { field: 'mode', value: mode }
  yield* parts(type, lines(ids))
}

/** A group of some people, and what is uploaded to it, read and decided by the rooms. */
async function scene(count: number) {
  const { res } = hazardous()
  const workspace = newWorkspace()
  const group = await grouped(res, workspace)
  const upload = async (mode: string, type: string, ids: string[]) => {
    const file = fields(mode, type, ids)
    const job = await receiveUpload(res, workspace, group.id, { createdBy: 'tester', parts: file })
    await runJob(res, { workspace, job: job.key }, sourceOf)
    return job.id
  }
  await upload('apply', 'ADD', people(0, count))
  const db = res.databaseOf(workspace)
  return {
    ...{ res, workspace, group, upload },
    publish: (id: string) =>
      publishJob(res, workspace, id, { expectedRemoved: undefined, sourceOf }),
    cancel: async (id: string) => {
      const { key } = await cancelJob(res, workspace, id)
      await runJob(res, { workspace, job: key }, sourceOf)
    },
    page: (id: string, kind: ChangeKind, after: string, size = 1000) =>
      listChanges(db, workspace, id, { kind, after, size }),
    file: async (id: string, kind: ChangeKind) => {
      const from = { kind, after: '', fileFor: 'upload' } as const
      const reader = (await exportChanges(res, workspace, id, from)).getReader()
      return async () => {
        const { value } = await reader.read()
        return value && new TextDecoder().decode(value).split('\n').slice(0, -1)
      }
    },
  }
}

describe('a page of few changes in a large group', () => {
  it('looks at 20,000 rows, and says where the next begins', async () => {
    const count = 45_000
    const { res, upload, page, file } = await scene(count)
    const left = [3, 19_999, 44_999].flatMap((n) => people(n, n + 1))
    const job = await upload('preview', 'REMOVE', left)
    const pages: (readonly [string[], string | undefined])[] = []
    const costs: number[] = []
    for (let after: string | undefined = ''; after !== undefined;) {
      const before = res.meter.rowsRead
      const { participants, next } = await page(job, 'removed', after)
      pages.push([participants, next])
      costs.push(res.meter.rowsRead - before)
      after = next
    }
    expect(pages).toEqual([
      [left.slice(0, 2), 'p019999'],
      [[], 'p039999'],
      [left.slice(2), undefined],
    ])
    for (const rows of costs) expect(rows).toBeLessThan(3 * 20_000 + 10)
    const before = res.meter.rowsRead
    expect((await page(job, 'removed', '', 1)).next).toBe(left[0])
    expect(res.meter.rowsRead - before).toBeLessThan(20)
    const next = await file(job, 'removed')
    expect(await next()).toEqual(['ParticipantId', ...left.slice(0, 2)])
    expect(await next()).toEqual(left.slice(2))
    expect(await next()).toBeUndefined()
    const none = await file(job, 'added')
    expect([await none(), await none()]).toEqual([['ParticipantId'], undefined])
  })

  it('is read by seeks in indexes', async () => {
    const { workspace, upload } = await scene(3)
    const id = await upload('preview', 'REPLACE', people(1, 4))
    const plans = await plansOf(async (db) => {
      for (const kind of ['added', 'removed'] as const)
        await listChanges(db, workspace, id, { kind, after: '', size: 10 })
    })
    for (const { plan } of [plans[1], plans[3]].flatMap((one) => one ?? [])) {
      expect(plan.filter((step) => step.startsWith('SEARCH'))).toEqual([
        'SEARCH j USING INDEX jobs_by_id (workspace_id=? AND id=?)',
        'SEARCH g USING INTEGER PRIMARY KEY (rowid=?)',
        'SEARCH m USING INDEX members_by_group (group_key=? AND participant_id>?)',
      ])
      expect(plan.filter((step) => /TEMP B-TREE|^SCAN [gjm]\b/.test(step))).toEqual([])
    }
  })
})

describe('one person in a change', () => {
  it('is told by the key alone, as long as the list is', async () => {
    const { res, workspace, upload, publish } = await scene(3)
    const db = res.databaseOf(workspace)
    const [gone = '', stays = '', , joins = ''] = people(0, 4)
    const id = await upload('preview', 'REPLACE', [stays, joins])
    const told = () =>
      Promise.all(
        [gone, stays, joins, ` ${joins} `, 'nobody'].map((one) =>
          findChange(db, workspace, id, one),
        ),
      )
    const changes = ['removed', undefined, 'added', 'added', undefined]
    expect(await told()).toEqual(changes)
    await publish(id)
    expect(await told()).toEqual(changes)
    const plans = await plansOf((db) => findChange(db, workspace, id, gone))
    expect(plans[1]?.plan).toEqual([
      'SEARCH j USING INDEX jobs_by_id (workspace_id=? AND id=?)',
      'SEARCH g USING INTEGER PRIMARY KEY (rowid=?)',
      'SEARCH m USING PRIMARY KEY (workspace_id=? AND participant_id=? AND group_key=?)',
    ])
    await upload('apply', 'ADD', ['later'])
    await expect(told()).rejects.toThrow('job-state')
  })
})

describe('a file of changes', () => {
  const [before, after] = [people(0, 100), people(100, 9_000)]

  it('comes in pieces, each of which is read only when needed', async () => {
    const { res, upload, file } = await scene(100)
    const next = await file(await upload('preview', 'ADD', after), 'added')
    const { statements } = res.meter
    expect(await next()).toEqual(['ParticipantId', ...after.slice(0, 4_000)])
    await scheduler.wait(20)
    expect(res.meter.statements).toBe(statements)
    expect(await next()).toEqual(after.slice(4_000, 8_000))
    expect(await next()).toEqual(after.slice(8_000))
    expect(await next()).toBeUndefined()
    expect(res.meter.statements).toBe(statements + 4)
  })

  it('goes on where its job is published meanwhile', async () => {
    const { upload, file, publish } = await scene(100)
    const id = await upload('preview', 'REPLACE', after)
    const [added, removed] = [await file(id, 'added'), await file(id, 'removed')]
    expect(await added()).toHaveLength(4_001)
    await publish(id)
    expect(await added()).toEqual(after.slice(4_000, 8_000))
    expect(await removed()).toEqual(['ParticipantId', ...before])
    expect(await added()).toEqual(after.slice(8_000))
  })

  it('breaks off where its job is cancelled, or another goes live', async () => {
    const { upload, file, publish, cancel } = await scene(100)
    const cancelled = await upload('preview', 'ADD', after)
    const first = await file(cancelled, 'added')
    await first()
    await cancel(cancelled)
    await expect(first()).rejects.toThrow('job-state')
    const id = await upload('preview', 'ADD', after)
    const second = await file(id, 'added')
    await second()
    await publish(id)
    await upload('apply', 'ADD', ['zoe'])
    await expect(second()).rejects.toThrow('job-state')
  })
})

const first = { kind: 'added', after: '', size: 3 } as const

const goesOn: Deed = { what: 'goes on', calls: undefined }
const begins: Deed[] = [{ what: 'uploads', type: 'add', ids: everybody }, goesOn]
const preview: Deed = { what: 'uploads', type: 'replace', ids: ['person-1'], mode: 'preview' }
const ends: Deed[] = [
  ...([goesOn, goesOn, { what: 'decides', by: 'cancel' }, goesOn, goesOn] satisfies Deed[]),
  ...([preview, goesOn, { what: 'decides', by: 'publish' }] satisfies Deed[]),
]

/** How often each was looked at over all runs, as each must occur. */
const seen = { held: 0, published: 0, live: 0 }

describe('whom a job changes', () => {
  it('is who was in before or after it alone, whatever comes since', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(10), async (all) => {
        const { workspace, db, group, jobs, does, live } = await groupHistory()
        const changesOf = async (id: string, kind: ChangeKind) => {
          const page = await listChanges(db, workspace, id, { kind, after: '', size: 3 })
          const participants = [...page.participants]
          for (let { next } = page; next !== undefined;) {
            const more = await listChanges(db, workspace, id, { kind, after: next, size: 3 })
            participants.push(...more.participants)
            next = more.next
          }
          return participants
        }
        const both = async (id: string) => ({
          added: await changesOf(id, 'added'),
          removed: await changesOf(id, 'removed'),
        })
        const previews = new Map<number, unknown>()
        let before = new Set<string>()
        let after = new Set<string>()
        let at = 0
        for (const deed of [...begins, ...all, ...ends]) {
          await does(deed)
          const now = await live()
          if (now !== at) {
            before = after
            after = new Set(await membersOf(workspace, group.id))
            at = now
          }
          for (const job of await jobs()) {
            if (job.state === 'held') {
              const preview = await both(job.id)
              expect([preview.added.length, preview.removed.length]).toEqual([
                job.added,
                job.removed,
              ])
              previews.set(job.revision, preview)
              seen.held++
            } else if (job.revision === now) {
              const expected = {
                added: [...after.difference(before)].sort(),
                removed: [...before.difference(after)].sort(),
              }
              expect(await both(job.id)).toEqual(expected)
              if (previews.has(now)) {
                expect(previews.get(now)).toEqual(expected)
                seen.published++
              }
              seen.live++
            } else
              await expect(listChanges(db, workspace, job.id, first)).rejects.toThrow('job-state')
          }
        }
      }),
      runs(6),
    )
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0)
  }, 120_000)
})
