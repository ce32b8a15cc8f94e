import { env } from 'cloudflare:workers'
import { expect } from 'vitest'
import { deleteAudience } from '../../src/audiences/audiences.ts'
import type { Rule } from '../../src/audiences/rule.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import type { JobType } from '../../src/experience/jobs.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { attachAudience, detachAudience } from '../../src/audiences/attach.ts'
import { lines } from './api.ts'
import {
  addAudience,
  changeAudience,
  grouped,
  held,
  jobsIn,
  rulesKept,
  teamIs,
} from './audiences.ts'
import { homeDb } from './databases.ts'
import { hazardous, parts } from './hazard.ts'
import { endOf } from './uploads.ts'
import { writeUsers } from './weeks.ts'
import { newWorkspace } from './workspaces.ts'

interface File {
  type: JobType
  ids: string[]
  badRows: number
}

/** The user of whom it is said, or who is deleted. */
export type Change = { user: string; team: 'red' | 'blue' | null | 'deleted' }

/** A request of a client. */
export type Request =
  | ({ what: 'uploads' } & File)
  | { what: 'attaches' }
  | { what: 'detaches' }
  | { what: 'attaches to another group' }
  | { what: 'deletes the audience' }
  | { what: 'syncs' }
  | { what: 'changes the rule'; to: 'red' | 'blue' }
  | ({ what: 'changes a user' } & Change)

export const person = (n: number) =>
  n < 21 ? `person-${String(n).padStart(2, '0')}` : `${'long'.repeat(8)}-${n}`
const isLong = (id: string) => id.length > 32

/** An upload in memory: who is in the group after it. */
function applied(before: ReadonlySet<string>, { type, ids }: File): ReadonlySet<string> {
  const named = new Set(ids)
  if (ids.length === 0) return before
  return type === 'add' ? before.union(named) : type === 'remove' ? before.difference(named) : named
}

/** An accepted job; of a sync, who belonged throughout it, and who at some time. */
type Accepted = { key: number; withdrawn: boolean } & (
  | { file: File }
  | { file: undefined; team: string; always: ReadonlySet<string>; ever: ReadonlySet<string> }
)

/** Where the next stage begins to spell its rules. */
let spellings = 0

/** A group that is sometimes attached to an audience, and a model of it in memory. */
export class Stage {
  readonly workspace = newWorkspace()
  readonly hazard = hazardous({ SLICE_BYTES: 100 })
  readonly hand = hazardous()
  readonly accepted: Accepted[] = []
  readonly teams = new Map<string, string | null>()
  group = { id: '', key: 0 }
  other = ''
  everyone = ''
  spelling = ++spellings
  rule: 'red' | 'blue' = 'red'
  attached = false
  there = true
  live = { revision: 0, members: new Set<string>() }
  time = 1
  private last = Promise.resolve()

  async open(): Promise<void> {
    const { res } = this.hand
    this.group = await grouped(res, this.workspace)
    this.other = (await grouped(res, this.workspace)).id
    const everyone = await grouped(res, this.workspace)
    await held(
      everyone,
      Array.from({ length: 24 }, (_, n) => person(n)),
    )
    this.everyone = everyone.id
    for (const team of ['red', 'blue'] as const)
      await addAudience(res, this.workspace, team, teamIs(team))
    await addAudience(res, this.workspace, 'crowd', this.ruleOf(this.rule))
    const people = Array.from({ length: 24 }, (_, n): [string, string] => [
      person(n),
      n % 3 === 2 ? 'blue' : 'red',
    ])
    for (const [one, team] of people) this.teams.set(one, team)
    await writeUsers(
      res,
      this.workspace,
      people.map(([one, team]) => [one, { team }]),
    )
  }

  /** The same rule in other words each time. */
  private ruleOf(team: 'red' | 'blue'): Rule {
    const not = (expression: Rule): Rule => ({ operator: 'not', expression })
    const known: Rule = { operator: 'exists', attribute: 'team' }
    const other = teamIs(team === 'red' ? 'blue' : 'red')
    const among: Rule = { operator: 'in_group', group: this.everyone }
    const spellings: Rule[] = [
      teamIs(team),
      { operator: 'in', attribute: 'team', value: [team, 'green'] },
      { operator: 'in_audience', audience: team },
      { operator: 'and', expressions: [known, not(other)] },
      { operator: 'and', expressions: [among, not(not(teamIs(team)))] },
    ]
    return spellings[this.spelling++ % spellings.length] ?? teamIs(team)
  }

  private readonly belonging = (team: string) =>
    new Set([...this.teams].flatMap(([id, of]) => (of === team ? [id] : [])))

  /** In turn, as two invocations at once both come here between their calls. */
  private alone(does: () => Promise<void>): Promise<void> {
    const done = this.last.then(does)
    this.last = done.catch(() => undefined)
    return done
  }

  changes(change: Change): Promise<void> {
    return this.alone(() => this.changesNow(change))
  }

  check(): Promise<void> {
    return this.alone(() => this.checkNow())
  }

  private async changesNow({ user, team }: Change): Promise<void> {
    const states = new Map((await jobsIn(this.workspace)).map(({ key, state }) => [key, state]))
    const windows = this.accepted.flatMap((job) =>
      job.file === undefined ? [{ job, before: this.belonging(job.team) }] : [],
    )
    this.teams.set(user, team === 'deleted' ? null : team)
    for (const { job, before } of windows) {
      const after = this.belonging(job.team)
      const begun = states.get(job.key) !== 'waiting'
      job.ever = (begun ? job.ever : before).union(after)
      job.always = (begun ? job.always : before).intersection(after)
    }
    const { res } = this.hand
    const time = ++this.time
    if (team === 'deleted')
      await deleteUser({ ...res, now: () => time }, this.workspace, user).catch(() => undefined)
    else await writeUsers(res, this.workspace, [[user, { team }]], time)
  }

  /** Marks the syncs that must end as if they had never been. */
  private async withdraws(): Promise<void> {
    const lost = (await jobsIn(this.workspace)).filter(
      ({ audience, state }) => audience !== null && unended.includes(state),
    )
    for (const { key } of lost)
      for (const job of this.accepted) if (job.key === key) job.withdrawn = true
    this.attached = false
  }

  async handle(request: Request): Promise<void> {
    const { workspace, group } = this
    const { res } = this.hand
    switch (request.what) {
      case 'uploads': {
        const rows = [
          'ParticipantId',
          ...request.ids,
          ...Array<string>(request.badRows).fill('one,two'),
        ]
        const received = receiveUpload(this.hazard.res, workspace, group.id, {
          createdBy: 'tester',
          parts: parts(request.type, lines(rows)),
        })
        if (this.attached)
          return expect(received).rejects.toMatchObject({
            facts: { reason: 'filled-by-audience', audience: 'crowd' },
          })
        this.accepted.push({ key: (await received).key, withdrawn: false, file: request })
        return
      }
      case 'attaches':
        if (!this.there) await addAudience(res, workspace, 'crowd', this.ruleOf(this.rule))
        this.there = true
        await attachAudience(res, workspace, 'crowd', group.id)
        this.attached = true
        return
      case 'detaches':
        if (!this.attached) return
        await this.withdraws()
        return detachAudience(res, workspace, 'crowd')
      case 'attaches to another group':
        if (!this.there) return
        await this.withdraws()
        await attachAudience(res, workspace, 'crowd', this.other)
        return detachAudience(res, workspace, 'crowd')
      case 'deletes the audience':
        if (!this.there) return
        await this.withdraws()
        this.there = false
        return deleteAudience(res, workspace, 'crowd')
      case 'changes the rule':
        this.rule = request.to
        if (this.there) await changeAudience(res, workspace, 'crowd', this.ruleOf(this.rule))
        return
      case 'changes a user':
        return this.changes(request)
      case 'syncs': {
        if (!this.attached) {
          const reason = this.there ? 'not-attached' : 'not-found'
          return expect(
            requestSync(res, workspace, 'crowd', { by: 'tester' }),
          ).rejects.toMatchObject({
            facts: { reason },
          })
        }
        const waiting = (await jobsIn(workspace)).find(
          ({ audience, state }) => audience !== null && state === 'waiting',
        )
        const { key } = await requestSync(res, workspace, 'crowd', { by: 'tester' })
        const now = this.belonging(this.rule)
        const job: Accepted = {
          key,
          withdrawn: false,
          file: undefined,
          team: this.rule,
          always: now,
          ever: now,
        }
        const known = this.accepted.findIndex((one) => one.key === key)
        if (waiting !== undefined) expect(key).toBe(waiting.key)
        if (waiting !== undefined) this.accepted[known] = job
        else expect(known).toBe(-1)
        if (waiting === undefined) this.accepted.push(job)
      }
    }
  }

  /** Readers see the results of live jobs, in order, and nothing of others. */
  private async checkNow(): Promise<void> {
    const [groups, found, jobs] = await homeDb.batch([
      homeDb
        .prepare('SELECT revision, participant_count AS count FROM experience_groups WHERE key = ?')
        .bind(this.group.key),
      homeDb
        .prepare(
          `SELECT participant_id AS id FROM live_members WHERE workspace_id = ? AND group_id = ? ORDER BY participant_id`,
        )
        .bind(this.workspace, this.group.id),
      homeDb
        .prepare(
          'SELECT key, state, rows, bad_rows AS badRows, added, removed FROM jobs WHERE group_key = ? AND revision > ?',
        )
        .bind(this.group.key, this.live.revision),
    ])
    // The columns selected above.
    const [group] = (groups?.results ?? []) as { revision: number; count: number }[]
    const members = new Set(((found?.results ?? []) as { id: string }[]).map(({ id }) => id))
    const newer = (jobs?.results ?? []) as {
      key: number
      state: string
      rows: number
      badRows: number
      added: number
      removed: number
    }[]
    if (group === undefined) throw new Error('the group is gone')
    expect(group.count).toBe(members.size)
    const gone = newer.filter(({ state }) => state === 'successful' || state === 'partial')
    const before = this.live.members
    this.live = { revision: group.revision, members }
    const [job, ...more] = gone
    expect(more).toEqual([])
    if (job === undefined) return expect(members).toEqual(before)

    const one = this.accepted.find(({ key }) => key === job.key)
    if (one === undefined) throw new Error('nobody requested this job')
    if (one.file !== undefined) {
      expect(members).toEqual(applied(before, one.file))
      expect(job).toMatchObject({
        rows: one.file.ids.length + one.file.badRows,
        badRows: one.file.badRows,
      })
    } else {
      const long = (ids: ReadonlySet<string>) => [...ids].filter(isLong)
      expect([...members].filter((id) => !one.ever.has(id) || isLong(id))).toEqual([])
      expect([...one.always].filter((id) => !members.has(id) && !isLong(id))).toEqual([])
      expect(job.rows).toBe(members.size + job.badRows)
      expect(job.badRows).toBeGreaterThanOrEqual(long(one.always).length)
      expect(job.badRows).toBeLessThanOrEqual(long(one.ever).length)
    }
    const counts = {
      added: members.difference(before).size,
      removed: before.difference(members).size,
    }
    expect(job).toMatchObject({ state: job.badRows === 0 ? 'successful' : 'partial', ...counts })
  }

  /** What has become of each job, once nothing is left to do. */
  async checkEnds(): Promise<void> {
    const jobs = new Map((await jobsIn(this.workspace)).map((job) => [job.key, job]))
    for (const one of this.accepted) {
      const job = jobs.get(one.key)
      if (job === undefined) throw new Error('a job is gone')
      const { state, failure, badRows, added, removed } = job
      if (failure !== null) expect({ added, removed }).toEqual({ added: 0, removed: 0 })
      if (failure === 'gave-up') expect(state).toBe('failed')
      else if (one.withdrawn)
        expect({ state, failure }).toEqual({ state: 'cancelled', failure: 'withdrawn' })
      else if (one.file !== undefined) expect(state).toBe(endOf(one.file))
      else expect(state).toBe(badRows === 0 ? 'successful' : 'partial')
    }
    const { results } = await homeDb
      .prepare(
        'SELECT job_key AS key, line, problem FROM job_problems WHERE job_key IN (SELECT value FROM json_each(?))',
      )
      .bind(
        JSON.stringify(this.accepted.flatMap(({ key, file }) => (file === undefined ? [key] : []))),
      )
      .all<{ key: number; line: number; problem: string }>()
    for (const { key, state, rows, badRows, audience } of jobs.values()) {
      const found = results.filter((one) => one.key === key)
      const problems = found.filter(({ line }) => line > 0)
      if (audience !== null) expect(problems).toHaveLength(badRows)
      if (audience !== null)
        expect(found.filter(({ line }) => line === 0)).toEqual(
          state === 'failed' ? [{ key, line: 0, problem: 'gave-up' }] : [],
        )
      for (const { line, problem } of problems)
        expect([problem, line >= 1, line <= rows]).toEqual(['too-long', true, true])
    }
    const open = homeDb
      .prepare('SELECT count(*) AS n FROM jobs WHERE workspace_id = ? AND ended_at IS NULL')
      .bind(this.workspace)
    expect(await open.first('n')).toBe(0)
    expect(await rulesKept()).toBe(0)
    expect((await env.FILES.list({ prefix: `uploads/${this.workspace}/` })).objects).toEqual([])
  }
}

export const unended = ['waiting', 'applying', 'sweeping']
