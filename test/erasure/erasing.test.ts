import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { erasePeople, erasePerson } from '../../src/erasure/request.ts'
import { enqueueStalledErasures } from '../../src/erasure/stalled.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import type { JobType } from '../../src/experience/jobs.ts'
import { enqueueStalled } from '../../src/experience/stalled.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { recordReports } from '../../src/identity/profiles.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { Message } from '../../src/messages.ts'
import { lines } from '../support/api.ts'
import { filling, grouped, teamIs } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { faults } from '../support/deliveries.ts'
import { fileParts, hazardous, parts, unlessCrash, type Fault } from '../support/hazard.ts'
import { runs } from '../support/property.ts'
import { answer } from '../support/stale.ts'
import { emptyTables, everyRow } from '../support/store.ts'
import { newWorkspace } from '../support/workspaces.ts'

const people = ['ann-0', 'bob-1', 'cid-2', 'dan-3', 'eve-4', 'fay-5']

type Deed =
  | { what: 'uploads'; to: number; type: JobType; ids: string[]; bad: boolean }
  | { what: 'imports'; ids: string[]; team: string }
  | { what: 'reports'; user: string; team: string; ago: number }
  | { what: 'syncs' }
  | { what: 'erases'; who: string[]; fault: Fault | null }
  | { what: 'deletes a group' }
  | { what: 'fails for good'; pick: number }
  | { what: 'delivers'; pick: number; twice: boolean; fault: Fault | null }

const what = <What extends string>(name: What) => fc.constant(name)
const ids = fc.uniqueArray(fc.constantFrom(...people), { minLength: 1, maxLength: 6 })
const team = fc.constantFrom('red', 'blue')
const fault = fc.option(faults(fc.nat(14)), { freq: 2 })
const deed: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: what('uploads'),
      to: fc.nat(1),
      type: fc.constantFrom('add', 'add', 'remove', 'replace'),
      ids,
      bad: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: what('imports'), ids, team }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: what('reports'),
      user: fc.constantFrom(...people),
      team,
      ago: fc.constantFrom(0, 20, 1000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: what('syncs') }) },
  {
    weight: 3,
    arbitrary: fc.record({
      what: what('erases'),
      who: fc.oneof(
        fc.constantFrom(...people.slice(0, 3)).map((one) => [one]),
        fc.constant(people.slice(0, 2)),
      ),
      fault,
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: what('deletes a group') }) },
  { weight: 2, arbitrary: fc.record({ what: what('fails for good'), pick: fc.nat(5) }) },
  {
    weight: 12,
    arbitrary: fc.record({ what: what('delivers'), pick: fc.nat(9), twice: fc.boolean(), fault }),
  },
)

interface Said {
  at: number
  team: string
}

/** What one workspace has accepted, in its order, and what must be left of it at the end. */
class Scene {
  readonly workspace = newWorkspace()
  private time = 0
  readonly now = () => Date.now() + ++this.time
  readonly hazard = hazardous({ SLICE_BYTES: 40 }, { now: this.now })
  readonly hand = hazardous({}, { now: this.now })
  groups: { id: string; key: number }[] = []
  filled = { id: '', key: 0 }
  doomed = { id: '', key: 0 }
  readonly uploads: { job: number; to: number; type: JobType; ids: string[] }[] = []
  readonly erasures: { before: number; who: string[] }[] = []
  readonly said = new Map<string, Said[]>()
  readonly back = new Set<string>()

  async open() {
    await emptyTables()
    const { res } = this.hand
    this.groups = [await grouped(res, this.workspace), await grouped(res, this.workspace)]
    this.doomed = await grouped(res, this.workspace)
    this.filled = await filling(res, this.workspace, 'reds', teamIs('red'))
  }

  private says(user: string, said: Said) {
    this.said.set(user, [...(this.said.get(user) ?? []), said])
    this.back.add(user)
  }

  private async upload(to: { id: string }, type: JobType, file: string[]) {
    const received = receiveUpload(this.hand.res, this.workspace, to.id, {
      createdBy: 'tester',
      parts: parts(type, lines(file)),
    })
    const { key } = await received
    this.hazard.enqueued.push({ kind: 'job', workspace: this.workspace, job: key })
    return key
  }

  async does(deed: Deed): Promise<void> {
    const { workspace } = this
    const { res } = this.hand
    switch (deed.what) {
      case 'uploads': {
        const { to, type, ids, bad } = deed
        const rows = ['ParticipantId', ...ids, ...(bad ? ids.map((id) => `${id},no`) : [])]
        const group = this.groups[to] ?? this.doomed
        const job = await this.upload(group, type, rows.slice(0, 2 * ids.length))
        this.uploads.push({ job, to, type, ids })
        if (type !== 'remove') for (const id of ids) this.back.add(id)
        if (bad) for (const id of ids) this.back.add(id)
        return
      }
      case 'imports': {
        const file = lines(['user_id,team', ...deed.ids.map((id) => `${id},${deed.team}`)])
        const { key, createdAt } = await receiveUsers(res, workspace, 'tester', fileParts(file))
        this.hazard.enqueued.push({ kind: 'import', workspace, job: key })
        for (const user of deed.ids) this.says(user, { at: createdAt, team: deed.team })
        return
      }
      case 'reports': {
        const at = this.now() - deed.ago
        const to = { text: deed.team, type: 'string' } as const
        await recordReports(res, workspace, [
          { user: deed.user, at, changes: [{ name: 'team', to }] },
        ])
        const since = this.forgottenAt.get(deed.user) ?? -1
        if (at > since) this.says(deed.user, { at, team: deed.team })
        return
      }
      case 'syncs':
        await requestSync(this.hazard.res, workspace, 'reds', { by: 'tester' })
        return
      case 'deletes a group':
        await this.upload(this.doomed, 'add', people).catch(() => undefined)
        await deleteGroup(this.hazard.res, workspace, this.doomed.id).catch(() => undefined)
        return
      case 'fails for good': {
        const upload = this.uploads[this.uploads.length - 1 - deed.pick]
        if (upload === undefined) return
        await giveUp(this.hand.res, workspace, upload.job)
        this.hazard.enqueued.push({ kind: 'job', workspace, job: upload.job })
        return
      }
      case 'erases':
        return this.erases(deed.who, deed.fault)
      case 'delivers':
        return this.delivers(deed)
    }
  }

  readonly forgottenAt = new Map<string, number>()

  private async erases(who: string[], fault: Fault | null): Promise<void> {
    const [only = '', ...more] = who
    const { res, fuse } = this.hazard
    const request = () =>
      more.length === 0
        ? erasePerson(res, this.workspace, only, 'tester')
        : erasePeople(res, this.workspace, who, 'tester')
    fuse(fault === null ? undefined : { ...fault })
    const died = await request().then(
      () => false,
      (error: unknown) => (unlessCrash(error), true),
    )
    fuse(undefined)
    if (died) await request()
    this.erasures.push({ before: this.uploads.length, who })
    const at = await homeDb.prepare('SELECT max(erased_at) AS at FROM erased_people').first('at')
    for (const one of who) {
      this.forgottenAt.set(one, Number(at))
      this.said.delete(one)
      this.back.delete(one)
    }
  }

  private async delivers({ pick, twice, fault }: Extract<Deed, { what: 'delivers' }>) {
    const { res, enqueued, fuse } = this.hazard
    const [message] = enqueued.splice(pick % Math.max(1, enqueued.length), 1)
    if (message === undefined) return
    fuse(fault === null ? undefined : { ...fault })
    const one = () => answer(res, message).catch(unlessCrash)
    await Promise.all(twice ? [one(), one()] : [one()])
    fuse(undefined)
    if (fault !== null) enqueued.push(message) // a queue sends it again
  }

  /** Counts are exact at each moment. */
  async check(): Promise<void> {
    const { results } = await homeDb
      .prepare(
        `SELECT g.key, participant_count AS count, (SELECT count(*) FROM members AS m
        WHERE m.group_key = g.key AND m.added_rev <= g.revision
          AND (m.removed_rev IS NULL OR m.removed_rev > g.revision)) AS rows
      FROM experience_groups AS g WHERE deleted_at IS NULL`,
      )
      .all<{ count: number; rows: number }>()
    for (const { count, rows } of results) expect(count).toBe(rows)
  }

  /** Until nothing is left to do; what nobody has sent again, the crons find. */
  async settle(): Promise<void> {
    const { res, enqueued } = this.hazard
    const left = homeDb.prepare(
      `SELECT (SELECT count(*) FROM jobs WHERE ended_at IS NULL)
        + (SELECT count(*) FROM erasures WHERE ended_at IS NULL)
        + (SELECT count(*) FROM experience_groups WHERE deleted_at IS NOT NULL) AS n`,
    )
    for (let rounds = 0; rounds < 8; rounds++) {
      for (let next = enqueued.shift(); next !== undefined; next = enqueued.shift())
        await this.safely(next)
      if ((await left.first('n')) === 0) return
      this.time += 11 * 60_000
      await enqueueStalled(res)
      await enqueueStalledErasures(res)
    }
    throw new Error('some work does not end')
  }

  private async safely(message: Message): Promise<void> {
    await answer(this.hazard.res, message)
    await this.check()
  }

  /** Who must be in a group: all that was accepted, in its order. */
  private membersOf(to: number, failed: ReadonlySet<number>): string[] {
    let members = new Set<string>()
    for (let i = 0; i <= this.uploads.length; i++) {
      for (const { who } of this.erasures.filter(({ before }) => before === i))
        members = members.difference(new Set(who))
      const upload = this.uploads[i]
      if (upload === undefined || upload.to !== to || failed.has(upload.job)) continue
      const { type, ids } = upload
      const named = new Set(ids)
      if (type === 'add') members = members.union(named)
      else members = type === 'remove' ? members.difference(named) : named
    }
    return [...members].sort()
  }

  async checkEnd(): Promise<void> {
    const { results: jobs } = await homeDb
      .prepare(`SELECT key FROM jobs WHERE state = 'failed' AND erasure_key IS NULL`)
      .all<{ key: number }>()
    const failed = new Set(jobs.map(({ key }) => key))
    for (const [to, { key }] of this.groups.entries()) {
      const { results } = await homeDb
        .prepare(
          `SELECT participant_id AS id FROM members AS m JOIN experience_groups AS g ON g.key = m.group_key
        WHERE g.key = ? AND added_rev <= revision AND (removed_rev IS NULL OR removed_rev > revision)
        ORDER BY 1`,
        )
        .bind(key)
        .all<{ id: string }>()
      expect(results.map(({ id }) => id)).toEqual(this.membersOf(to, failed))
    }
    const { results: users } = await homeDb
      .prepare(
        `SELECT u.user_id AS user, value AS team FROM users AS u
        LEFT JOIN user_attributes AS a USING (workspace_id, user_id) ORDER BY 1`,
      )
      .all<{ user: string; team: string }>()
    expect(users).toEqual(
      people.flatMap((user) => {
        const newest = (this.said.get(user) ?? []).toSorted((a, b) => b.at - a.at)[0]
        return newest === undefined ? [] : [{ user, team: newest.team }]
      }),
    )
    const counted = homeDb.prepare('SELECT users FROM workspaces WHERE workspace_id = ?')
    expect((await counted.bind(this.workspace).first('users')) ?? 0).toBe(users.length)
    const gone = [...this.forgottenAt.keys()].filter((id) => !this.back.has(id))
    const { objects } = await env.FILES.list({ prefix: `uploads/${this.workspace}/` })
    const rows = [...(await everyRow())]
    expect(rows.filter((row) => gone.some((id) => row.includes(id)))).toEqual([])
    expect(objects).toEqual([])
  }
}

describe('an erasure beside all else', () => {
  it('forgets whom it names, and changes nobody else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(deed, { minLength: 10, maxLength: 40, size: 'max' }),
        async (deeds) => {
          const scene = new Scene()
          await scene.open()
          for (const deed of deeds) {
            scene.hazard.res.meter.statements = 0
            await scene.does(deed)
            await scene.check()
          }
          await scene.settle()
          await scene.checkEnd()
        },
      ),
      runs(5),
    )
  }, 240_000)
})
