import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { Bank, call, json, lines, type Json } from '../support/api.ts'
import { hazardous, parts } from '../support/hazard.ts'

const count = 20_000
const crowd = (name: string) => ['kept', ...Array.from({ length: count }, (_, i) => `${name}-${i}`)]

/** Who is in the group after its first upload, and who after its second. */
const isIn = (id: string, revision: unknown) =>
  id === 'kept' || id.startsWith(revision === 1 ? 'old-' : 'new-')
const participants = [
  `old-0`,
  `old-${count - 1}`,
  'kept',
  'new-0',
  `new-${count / 2}`,
  `new-${count - 1}`,
  'nobody',
]

/** Every look-up of the group, checked against the members of the revision that it returns. */
function questions(bank: Bank, group: string): Record<string, (id: string) => Promise<unknown>> {
  const evaluate = async (path: string, targetingKey: string) => {
    const init = json('POST', { context: { targetingKey } })
    return (
      await call(`/ofrep/v1/evaluate/flags${path}`, {
        ...init,
        headers: { ...bank.headers(), ...init.headers },
      })
    ).json<Json>()
  }
  return {
    one: async (participantId) => {
      const { revision, ...rest } = await bank.get(`/groups/${group}/participants/${participantId}`)
      expect(rest).toEqual({ groupId: group, participantId, member: isIn(participantId, revision) })
      return revision
    },
    many: async () => {
      const answer = await bank.send('POST', '/memberships', {
        participantIds: participants,
        groupIds: [group],
      })
      const { memberships, revisions } = await answer.json<{
        memberships: Json[]
        revisions: Json
      }>()
      const revision = revisions[group]
      expect(memberships).toEqual(
        participants.map((participantId) => ({
          participantId,
          groupIds: isIn(participantId, revision) ? [group] : [],
        })),
      )
      return revision
    },
    'many of all groups': async () => {
      const answer = await bank.send('POST', '/memberships', { participantIds: participants })
      const { memberships, revisions } = await answer.json<{
        memberships: { participantId: string; groupIds: string[] }[]
        revisions: Json
      }>()
      const revision = revisions[group]
      for (const { participantId, groupIds } of memberships)
        expect(groupIds.includes(group)).toBe(isIn(participantId, revision))
      return revision
    },
    'the groups of one': async () => {
      const { groups } = (await bank.get('/participants/kept/groups')) as { groups: Json[] }
      expect(groups.map(({ groupName }) => groupName)).toEqual(['always', 'changing'])
      return groups[1]?.['revision']
    },
    'a page': async () => {
      const page = (await bank.get(`/groups/${group}/participants?size=1000&after=l`)) as {
        participants: string[]
        revision: number
      }
      expect(page.participants).toHaveLength(1000)
      expect(page.participants.filter((id) => !isIn(id, page.revision))).toEqual([])
      return page.revision
    },
    'a flag': async (id) => {
      const { value, metadata } = (await evaluate('/changing', id)) as {
        value: boolean
        metadata: Json
      }
      expect(value).toBe(isIn(id, metadata['revision']))
      return metadata['revision']
    },
    'all flags': async (id) => {
      const { flags } = (await evaluate('', id)) as { flags: { value: boolean; metadata: Json }[] }
      // Each under its id and its name.
      const names = ['always', 'always', 'changing', 'changing']
      expect(flags.map(({ metadata }) => metadata['groupName'])).toEqual(names)
      const [there, changing] = [id === 'kept', isIn(id, flags[2]?.metadata['revision'])]
      expect(flags.map(({ value }) => value)).toEqual([there, there, changing, changing])
      return flags[2]?.metadata['revision']
    },
  }
}

async function changing() {
  const bank = await Bank.open()
  const [always, group] = [await bank.group('always'), await bank.group('changing')]
  await bank.apply(always, 'ADD', 'kept\n')
  await bank.apply(group, 'ADD', lines(crowd('old')))
  const seen: Record<string, Set<unknown>> = {}
  let turns = 0
  /** Runs each look-up once, each time for another participant. */
  const readAll = async () => {
    const id = participants[turns++ % participants.length] ?? ''
    for (const [name, read] of Object.entries(questions(bank, group)))
      (seen[name] ??= new Set()).add(await read(id))
  }
  return { bank, group, seen, readAll }
}

/** Every question was answered from the old and from the new revision. */
const bothSeen = (seen: Record<string, Set<unknown>>) => {
  expect(Object.keys(seen)).toHaveLength(7)
  for (const [name, revisions] of Object.entries(seen))
    expect([name, ...revisions]).toEqual([name, 1, 2])
}

describe('a look-up while a REPLACE of 20,000 by others is applied', () => {
  it('shows the old members or the new, never both, with their revision', async () => {
    const { bank, group, seen, readAll } = await changing()
    const { jobId } = await (await bank.upload(group, 'REPLACE', lines(crowd('new')))).json<Json>()
    let during = 0
    for (let ended = false; !ended; await scheduler.wait(5)) {
      const { jobStatus } = await bank.get(`/jobs/${String(jobId)}`)
      ended = jobStatus !== 'CREATED' && jobStatus !== 'PROCESSING'
      if (jobStatus === 'PROCESSING') during++
      await readAll()
    }
    expect(during).toBeGreaterThan(2)
    bothSeen(seen)
    expect(await bank.members(group)).toEqual(crowd('new').sort())
  })

  it('does so between any two statements of it', async () => {
    const { bank, group, seen, readAll } = await changing()
    const { res, meanwhile } = hazardous()
    const job = await receiveUpload(res, bank.workspace, group, {
      createdBy: 'tester',
      parts: parts('REPLACE', lines(crowd('new'))),
    })
    let between = 0
    meanwhile(async () => {
      between++
      await readAll()
    })
    await runJob(res, { workspace: bank.workspace, job: job.key }, sourceOf)
    meanwhile(undefined)
    expect(between).toBeGreaterThan(6)
    bothSeen(seen)
  })
})
