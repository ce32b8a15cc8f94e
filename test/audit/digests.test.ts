import { env } from 'cloudflare:workers'
import { exportJWK, generateKeyPair } from 'jose'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Digest } from '../../src/audit/digest.ts'
import { check, read, scopeOf } from '../local/audit/verify.ts'
import { makeDigests } from '../../src/audit/make-digests.ts'
import type { Env } from '../../src/resources.ts'
import { call } from '../support/api.ts'
import { tickEverywhere } from '../support/bindings.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { Team } from '../support/identity.ts'

const day = 86_400_000
const today = Date.UTC(2027, 2, 10)
const daily = '0 4 * * *'

const clear = () =>
  homeDb.batch(
    ['events', 'event_digests', 'cron_places'].map((table) =>
      homeDb.prepare(`DELETE FROM ${table}`),
    ),
  )
beforeEach(async () => void (await clear()))

/** Writes events of these times, in this order. */
const write = (workspace: number, times: number[]) =>
  homeDb
    .prepare(
      `INSERT INTO events (workspace_id, id, type, at, data, actor, object_kind, object_id)
     SELECT ?1, 'evt_' || ?1 || '_' || value, 'group.deleted', value, '{"group_id":"7"}',
       '{"client":"c","name":"tester"}', 'group', '7' FROM json_each(?2)`,
    )
    .bind(workspace, JSON.stringify(times))
    .run()

/** The daily cron of a moment, and those of every five minutes until it is done. */
async function sumUp(now: number, vars: Partial<Env> = {}): Promise<void> {
  const { res } = hazardous(vars, { now: () => now })
  await makeDigests(res, { begins: true })
}

async function team(): Promise<Team> {
  return Team.open(['audit:read'])
}

const digestsOf = (team: Team, query = '') => team.get<Digest[]>(`/events/digests${query}`)

async function exported(team: Team, query = ''): Promise<string> {
  const headers = { accept: 'application/x-ndjson' }
  const answer = await team.call('GET', `/events${query}`, { headers })
  expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
  return answer.text()
}

const jwks = async () => (await call('/.well-known/jwks.json')).text()

describe('a day that is over', () => {
  it('is summed up by the cron, and what is exported agrees', async () => {
    const one = await team()
    const now = Date.now()
    // Yesterday is summed up only some hours after midnight.
    await write(one.workspace, [now - 3 * day, now - 2 * day - 5000, now - 2 * day, now])
    await tickEverywhere(daily, env, now)
    const digests = await digestsOf(one)
    expect(digests.length).toBeGreaterThanOrEqual(2)
    expect(digests[0]).toMatchObject({ previous: null, count: 1 })
    const findings = check(read([await exported(one), JSON.stringify(digests), await jwks()]))
    expect(findings.wrong).toEqual([])
    const file = await env.FILES.get(`audit/${one.workspace}/${digests[0]?.day}.json`)
    expect(await file?.json()).toEqual(digests[0])
  })

  it('has one digest, each event is in one, and so has a day without events', async () => {
    const one = await team()
    const times = [-4 * day, -4 * day + 1, -2 * day - 1, -2 * day, -1, 0, 5].map((at) => today + at)
    await write(one.workspace, times)
    await sumUp(today + 4 * 3_600_000)
    const digests = await digestsOf(one)
    expect(digests.map(({ day, count }) => [day, count])).toEqual([
      ['2027-03-06', 2],
      ['2027-03-07', 1],
      ['2027-03-08', 1],
      ['2027-03-09', 1],
    ])
    await sumUp(today + day + 4 * 3_600_000)
    await sumUp(today + 3 * day + 4 * 3_600_000)
    expect((await digestsOf(one, '?after=2027-03-09')).map(({ count }) => count)).toEqual([2, 0, 0])
    const all = JSON.stringify(await digestsOf(one))
    expect(check(read([await exported(one), all, await jwks()]))).toEqual({ wrong: [], known: [] })
  })

  it('is not summed up within an hour of its end', async () => {
    const one = await team()
    await write(one.workspace, [today - 1])
    await sumUp(today + 3_600_000 - 1)
    expect(await digestsOf(one)).toEqual([])
    await sumUp(today + 3_600_000)
    expect(await digestsOf(one)).toHaveLength(1)
  })

  it('has the event that was written late in the digest of its place', async () => {
    const one = await team()
    await write(one.workspace, [today - 2, today + 1, today - 1, today + 2])
    await sumUp(today + 5 * 3_600_000)
    await sumUp(today + day + 5 * 3_600_000)
    const digests = await digestsOf(one)
    expect(digests.map(({ count }) => count)).toEqual([3, 1])
    const text = await exported(one)
    expect(check(read([text, JSON.stringify(digests), await jwks()])).wrong).toEqual([])
  })

  it('stays as it is when the cron comes twice, or twice at once', async () => {
    const one = await team()
    await write(one.workspace, [today - 2 * day, today - 1])
    const now = today + 5 * 3_600_000
    await Promise.all([sumUp(now), sumUp(now)])
    const digests = await digestsOf(one)
    await write(one.workspace, [today - 3])
    const next = await generateKeyPair('EdDSA', { extractable: true })
    const key = JSON.stringify({ ...(await exportJWK(next.privateKey)), kid: 'next', alg: 'EdDSA' })
    await sumUp(now, { SIGNING_KEY: key })
    expect(await digestsOf(one)).toEqual(digests)
    const file = await env.FILES.get(`audit/${one.workspace}/2027-03-09.json`)
    expect(await file?.json()).toEqual(digests[1])
  })

  it('has its file in the end, wherever the invocation dies', async () => {
    for (const of of ['files', undefined] as const)
      for (const when of ['before', 'after'] as const)
        // It calls the bucket three times.
        for (let at = 0; at < (of === 'files' ? 4 : 9); at++) {
          await clear() // or it would die while it sums up another workspace
          const one = await team()
          await write(one.workspace, [today - 1])
          const { res, fuse } = hazardous({}, { now: () => today + 5 * 3_600_000 })
          fuse(of === undefined ? { at, when } : { of, at, when })
          await makeDigests(res, { begins: true }).catch(() => undefined)
          fuse(undefined)
          await sumUp(today + day + 5 * 3_600_000)
          const digests = await digestsOf(one)
          expect(digests.map(({ count }) => count)).toEqual([1, 0])
          for (const digest of digests) {
            const file = await env.FILES.get(`audit/${one.workspace}/${digest.day}.json`)
            expect(await file?.json()).toEqual(digest)
          }
          expect(
            check(read([await exported(one), JSON.stringify(digests), await jwks()])).wrong,
          ).toEqual([])
        }
  }, 60_000)
})

describe('the digests of many workspaces', () => {
  it('are made by several invocations, which the cron of five minutes continues', async () => {
    const many = Array.from({ length: 80 }, (_, i) => 5_000_000 + i)
    for (const workspace of many) await write(workspace, [today - 1])
    const now = today + 5 * 3_600_000
    const made = async () =>
      (await homeDb.prepare('SELECT count(*) AS n FROM event_digests').first<number>('n')) ?? 0
    const { res } = hazardous({}, { now: () => now })
    res.meter.statements = 0
    await makeDigests(res, { begins: false })
    expect(await made()).toBe(0)
    let invocations = 0
    for (let before = -1; (await made()) !== before; invocations++) {
      before = await made()
      res.meter.statements = 0
      await makeDigests(res, { begins: invocations === 0 })
      expect(res.meter.statements).toBeLessThan(220)
    }
    expect(await made()).toBe(many.length)
    expect(invocations).toBeGreaterThan(2)
  })

  it('are made where those of another workspace fail', async () => {
    const [one, other] = [await team(), await team()]
    for (const { workspace } of [one, other]) await write(workspace, [today - 1])
    const say = (data: string) =>
      homeDb.prepare('UPDATE events SET data = ? WHERE workspace_id = ?').bind(data, one.workspace)
    await say('{').run()
    await sumUp(today + 5 * 3_600_000).catch(() => undefined)
    expect([await digestsOf(one), (await digestsOf(other)).length]).toEqual([[], 1])
    await say('{}').run()
    await sumUp(today + day + 5 * 3_600_000)
    expect((await digestsOf(one)).map(({ count }) => count)).toEqual([1, 0])
  })

  it('of a hundred thousand events read each row a bounded number of times', async () => {
    const one = await team()
    const count = 100_000
    await homeDb
      .prepare(
        `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?3 - 1)
       INSERT INTO events (workspace_id, id, type, at, data)
       SELECT ?1, 'evt_' || ?1 || '_' || i, 'job.failed', ?2 + i * 800, '{}' FROM n`,
      )
      .bind(one.workspace, today - day, count)
      .run()
    const { res } = hazardous({}, { now: () => today + 5 * 3_600_000 })
    const before = { ...res.meter }
    await makeDigests(res, { begins: true })
    expect((await digestsOf(one)).map(({ count }) => count)).toEqual([count])
    expect(res.meter.rowsRead - before.rowsRead).toBeLessThan(2.2 * count)
    expect(res.meter.statements - before.statements).toBeLessThan(40)
  }, 60_000)

  it('of days older than AUDIT_DAYS go, but for their files', async () => {
    const one = await team()
    await write(one.workspace, [today - 5 * day])
    await sumUp(today + 5 * 3_600_000)
    expect(await digestsOf(one)).toHaveLength(5)
    await sumUp(today + day + 5 * 3_600_000, { AUDIT_DAYS: 3 })
    expect((await digestsOf(one)).map(({ day }) => day)).toEqual([
      '2027-03-07',
      '2027-03-08',
      '2027-03-09',
      '2027-03-10',
    ])
    expect(await env.FILES.head(`audit/${one.workspace}/2027-03-05.json`)).not.toBeNull()
  })
})

describe('what was tampered with', () => {
  const unsigned = 'without /.well-known/jwks.json anybody may have signed the digests'

  /** Three days of events, their export, digests and keys. */
  async function audit() {
    const one = await team()
    const times = [-3, -2, -1].flatMap((n) => [0, 1, 2, 3].map((i) => today + n * day + i * 1000))
    await write(one.workspace, times)
    await sumUp(today + 5 * 3_600_000)
    const digests = await digestsOf(one)
    expect(digests.map(({ count }) => count)).toEqual([4, 4, 4])
    const lines = (await exported(one)).trimEnd().split('\n')
    const keys = await jwks()
    const id = (line: number) => (JSON.parse(lines[line] ?? '') as { id: string }).id
    const wrong = (lines: string[], others = digests, set: string[] = [keys]) =>
      check(read([lines.map((line) => `${line}\n`).join(''), JSON.stringify(others), ...set])).wrong
    return { workspace: one.workspace, lines, digests, keys, id, wrong }
  }

  it('is nothing where nothing was changed', async () => {
    const { lines, wrong, digests } = await audit()
    expect(wrong(lines)).toEqual([])
    expect(wrong(lines, digests, [])).toEqual([unsigned])
    expect(wrong(lines, [...digests, ...digests])).toEqual([])
  })

  it('is named by day for one changed byte', async () => {
    const { lines, wrong } = await audit()
    const changed = lines.with(5, (lines[5] ?? '').replace('tester', 'tesTer'))
    expect(wrong(changed)).toEqual(['2027-03-08: its events are not what they were'])
    const spaced = lines.with(5, (lines[5] ?? '').replace(':', ': '))
    expect(wrong(spaced)[0]).toMatch(/^2027-03-08: evt_.* is not as it was exported$/)
  })

  it('is named for a removed line, the first and the last by their ids', async () => {
    const { lines, wrong, id } = await audit()
    expect(wrong(lines.toSpliced(5, 1))).toEqual(['2027-03-08: 1 events are missing'])
    expect(wrong(lines.toSpliced(4, 1))).toContain(
      `2027-03-08: the first event ${id(4)} is missing`,
    )
    expect(wrong(lines.toSpliced(7, 1))).toContain(`2027-03-08: the last event ${id(7)} is missing`)
  })

  it('is named for an added line, within a day and between two', async () => {
    const { lines, wrong } = await audit()
    const added = (lines[5] ?? '').replace('evt_', 'evt_x')
    expect(wrong(lines.toSpliced(6, 0, added))).toEqual(['2027-03-08: 1 lines are added'])
    expect(wrong(lines.toSpliced(4, 0, added))[0]).toContain('2027-03-08: 1 lines are added')
    expect(wrong(lines.toSpliced(0, 0, added))[0]).toContain('lines of no digest')
    expect(wrong(lines.toSpliced(6, 0, lines[5] ?? ''))).toContain('2027-03-08: 1 lines are added')
  })

  it('is named for swapped lines', async () => {
    const { lines, wrong } = await audit()
    const swapped = lines.with(5, lines[6] ?? '').with(6, lines[5] ?? '')
    expect(wrong(swapped)).toEqual(['2027-03-08: its events are not what they were'])
  })

  it('is named for a removed digest', async () => {
    const { lines, wrong, digests } = await audit()
    expect(wrong(lines, digests.toSpliced(1, 1))).toContain('2027-03-08: the digest is missing')
  })

  it('is not signed anew where digests are gone from the table', async () => {
    const { workspace, lines, wrong, digests } = await audit()
    for (const gone of ["day >= '2027-03-08'", 'true']) {
      await homeDb.batch(
        [
          `DELETE FROM event_digests WHERE workspace_id = ? AND ${gone}`,
          "UPDATE events SET data = '{}' WHERE workspace_id = ? AND id LIKE '%1000'",
        ].map((query) => homeDb.prepare(query).bind(workspace)),
      )
      // One that was written late, after its day was summed up.
      await write(workspace, [today - (gone === 'true' ? 2 : 1)])
      await sumUp(today + day + 5 * 3_600_000)
      const kept = await digestsOf(await Team.open(['audit:read'], workspace))
      expect(kept.slice(0, 3)).toEqual(digests)
      expect(wrong(lines, kept.slice(0, 3))).toEqual([])
    }
    const team = await Team.open(['audit:read'], workspace)
    expect((await digestsOf(team)).at(-1)).toMatchObject({ day: '2027-03-10', count: 1 })
    expect(wrong((await exported(team)).trimEnd().split('\n'))).toHaveLength(3)
  })

  it('is named for a digest with another field, or signed by another key', async () => {
    const { workspace, lines, wrong, digests } = await audit()
    const [first, second, third] = digests
    if (first === undefined || second === undefined || third === undefined) throw new Error('few')
    expect(wrong(lines, [first, { ...second, count: 5 }, third])).toContain(
      '2027-03-08: count is not what was signed',
    )
    const other = await generateKeyPair('EdDSA', { extractable: true })
    const SIGNING_KEY = JSON.stringify({ ...(await exportJWK(other.privateKey)), kid: 'other' })
    await homeDb
      .prepare("DELETE FROM event_digests WHERE workspace_id = ? AND day >= '2027-03-08'")
      .bind(workspace)
      .run()
    for (const day of ['08', '09']) await env.FILES.delete(`audit/${workspace}/2027-03-${day}.json`)
    await sumUp(today + 5 * 3_600_000, { SIGNING_KEY })
    const { results } = await homeDb
      .prepare(
        'SELECT day, first, last, count, sha256, previous, signature FROM event_digests WHERE workspace_id = ?',
      )
      .bind(workspace)
      .all<Digest>()
    const [, resigned] = results
    if (resigned === undefined) throw new Error('it is not summed up again')
    expect(wrong(lines, [first, resigned, third])).toEqual([
      '2027-03-08: signed by the key other, which is not known',
      '2027-03-09: the digest follows another than that of 2027-03-08',
    ])
    expect(wrong(lines, [first, resigned, third], [])).toEqual([
      unsigned,
      '2027-03-09: the digest follows another than that of 2027-03-08',
    ])
  })

  it('is named where an export has none of the events of its digests', async () => {
    const { lines, wrong, digests } = await audit()
    const none = (count: number) => `the export has none of the ${count} events of the digests`
    expect(wrong([])).toEqual([none(12)])
    expect(wrong(lines.slice(8), digests.slice(0, 2))).toEqual([none(8)])
    // The first and the last of a day are gone, others are there.
    expect(wrong(lines.toSpliced(3, 1).slice(1))).toEqual([
      '2027-03-08: before the first event ' +
        `${(JSON.parse(lines[4] ?? '') as { id: string }).id} stand 2 lines of no digest`,
    ])
  })

  it("is named where digests are another workspace's", async () => {
    const [own, other] = [await audit(), await audit()]
    const mixed = [...own.digests.slice(0, 2), ...other.digests.slice(2)]
    expect(own.wrong([...own.lines.slice(0, 8), ...other.lines.slice(8)], mixed)).toEqual([
      `the digests are of several workspaces: ${own.workspace}, ${other.workspace}`,
      '2027-03-09: the digest follows another than that of 2027-03-08',
    ])
    expect(scopeOf(read([JSON.stringify(other.digests)]))).toBe(
      `workspace ${other.workspace}, 2027-03-07 to 2027-03-09`,
    )
  })

  it('is found among three hundred thousand events', async () => {
    const { lines, digests, keys } = await audit()
    const id = () => crypto.randomUUID()
    const more = Array.from({ length: 300_000 }, () => `{"id": "${id()}"}\n`).join('')
    const all = `${lines[0] ?? ''}\n${more}${lines.slice(1).join('\n')}\n`
    const { wrong } = check(read([all, JSON.stringify(digests), keys]))
    expect(wrong).toHaveLength(300_001)
    expect(wrong.at(-1)).toBe('2027-03-07: 300000 lines are added')
  }, 60_000)

  it('is not a later event that a swept day leaves', async () => {
    const one = await team()
    await write(one.workspace, [today - 2, today + 1, today - 1, today + 2])
    await sumUp(today + day + 5 * 3_600_000)
    const since = `?since=${new Date(today).toISOString()}`
    const texts = [await exported(one, since), JSON.stringify(await digestsOf(one)), await jwks()]
    expect(check(read(texts))).toEqual({
      wrong: [],
      known: ["2027-03-09: older than the export's first event, not covered"],
    })
  })

  it.each([
    ['null', 'line 1 is no event'],
    ['7', 'line 1 is no event'],
    ['{"__proto__":{"id":"x"}}', 'line 1 is no event'],
    ['{"signature":1}', 'a list has an entry that is no digest'],
    ['[null]', 'a list has an entry that is no digest'],
    ['[{"day":"2027-03-09","signature":"x.y"}]', '2027-03-09: the signature cannot be read'],
    ['{"keys":7}', 'line 1 is no event'],
    ['\u0000\ud800', 'line 1 is no event'],
  ])('is said of a file of %j', (text, problem) => {
    const problems = () => check(read([text])).wrong
    if (problem.startsWith('a list')) expect(problems).toThrow(problem)
    else expect(problems()).toContain(problem)
  })

  it('is not what is older than an export, or newer than the digests', async () => {
    const { lines, digests, keys } = await audit()
    const of = (some: string[], others = digests) =>
      check(read([some.map((line) => `${line}\n`).join(''), JSON.stringify(others), keys]))
    expect(of(lines.slice(5))).toMatchObject({ wrong: [] })
    expect(of(lines.slice(5)).known.filter((one) => /not covered/.test(one))).toHaveLength(2)
    expect(of(lines, digests.slice(0, 2))).toMatchObject({ wrong: [] })
    expect(of(lines, digests.slice(0, 2)).known).toContain('the last 4 events are in no digest yet')
    expect(of(lines.slice(4), digests.slice(1))).toMatchObject({ wrong: [] })
  })
})
