import { beforeEach, describe, expect, it } from 'vitest'
import { getErasure } from '../../src/erasure/erasures.ts'
import { erasePerson } from '../../src/erasure/request.ts'
import { enqueueStalledErasures } from '../../src/erasure/stalled.ts'
import { enqueueStalled } from '../../src/experience/stalled.ts'
import { revertGroup } from '../../src/experience/revert.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import type { Message } from '../../src/messages.ts'
import { lines, membersOf } from '../support/api.ts'
import { filling, grouped, inStepsOf, jobsIn, teamIs } from '../support/audiences.ts'
import { homeDb } from '../support/databases.ts'
import { fileParts, hazardous, parts, unlessCrash, type Fuse } from '../support/hazard.ts'
import { everyCall } from '../support/property.ts'
import { answer, answerAll } from '../support/stale.ts'
import { emptyTables, everyRow } from '../support/store.ts'
import { defined, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

const person = 'ann-7f3a'

beforeEach(emptyTables)

/** A workspace whose erasures wait at their last part until it `ends`. */
function scene() {
  const workspace = newWorkspace()
  const clock = { ahead: 0 }
  const now = () => Date.now() + clock.ahead
  const { res, enqueued } = hazardous({ LOOKUP_CACHE_SECONDS: 30 }, { now })
  const writer = hazardous({ USERS_PER_STEP: 1 }, { now })
  const erasing = () => enqueued.filter(({ kind }) => kind === 'erase-people')
  return {
    ...{ workspace, res, enqueued, writer },
    erases: () => erasePerson(res, workspace, person, 'tester'),
    /** Carries the erasure on, as far as it goes, and nothing else. */
    goesOn: async () => {
      for (const message of erasing().slice(0, 1)) await answer(res, message)
    },
    stateOf: async ({ id }: { id: string }) =>
      (await getErasure(res.databaseOf(workspace), workspace, id)).state,
    ends: async () => {
      clock.ahead += 11 * 60_000
      await enqueueStalled(res)
      await enqueueStalledErasures(res)
      // A part that waits enqueues its message again.
      for (const message of enqueued.splice(0)) await answer(res, message)
    },
    /** An invocation that sleeps before one of its writes, until it is woken; undefined where it has fewer. */
    sleeps: async (message: Message, at: number) => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const asleep = new Promise<void>((fallen) =>
        writer.fuse({ at, only: 'writes', until: promise, fallen }),
      )
      const running = answer(writer.res, message)
      if (!(await Promise.race([asleep.then(() => true), running.then(() => false)])))
        return undefined
      return async (dies: boolean) => {
        if (dies) writer.fuse({ at: 0, only: 'writes', when: 'before' })
        resolve()
        await running.catch(unlessCrash)
        writer.fuse(undefined)
      }
    },
    /** An invocation that dies after one of its writes. */
    dies: async (message: Message, at: number) => {
      const fuse: Fuse = { at, only: 'writes', when: 'after' }
      writer.fuse(fuse)
      await answer(writer.res, message).then(() => {
        throw new Error('it never died')
      }, unlessCrash)
    },
  }
}

const traces = async () => [...(await everyRow())].filter((row) => row.includes(person))

describe('a recompute', () => {
  it('that slept while its value was erased does not write where it stood', async () => {
    const { workspace, res, enqueued, erases, goesOn, stateOf, ends, sleeps } = scene()
    await defined(res, workspace, 'household', 'mail', [])
    await writeUsers(res, workspace, [
      [person, { mail: person }],
      ['bob', { mail: 'bob' }],
      ['cid', { mail: 'cid' }],
    ])
    await requestRecompute(res, workspace, 'household')
    const [message] = enqueued.splice(0)
    if (message === undefined) throw new Error('no recompute')
    const wakes = await sleeps(message, 1)
    const erasure = await erases()
    await goesOn()
    expect(await stateOf(erasure)).toBe('receipt')
    const kept = await traces()
    await wakes?.(true)
    expect(await traces()).toEqual(kept)
    expect(enqueued).toContainEqual(message)
    expect(enqueued).toContainEqual(message)
    await answer(res, message)
    const run = homeDb.prepare('SELECT state, seated FROM recompute_runs WHERE workspace_id = ?')
    expect(await run.bind(workspace).first()).toEqual({ state: 'successful', seated: 2 })
    await ends()
    expect([await stateOf(erasure), await traces()]).toEqual(['complete', []])
  })
})

describe.each(['sweeps', 'reverts'] as const)('a later job that %s', (what) => {
  async function sweeping() {
    const own = scene()
    const { workspace, res, enqueued, erases } = own
    const group = await grouped(res, workspace)
    const sends = (type: string, ids: string[]) => {
      const uploaded = parts(type, lines(ids))
      return receiveUpload(res, workspace, group.id, { createdBy: 'tester', parts: uploaded })
    }
    await sends('ADD', [...(what === 'sweeps' ? ['abe'] : []), person, 'bob', 'cid'])
    if (what === 'reverts') await sends('REMOVE', [person, 'bob'])
    await answerAll(res, enqueued)
    const erasure = await erases()
    if (what === 'sweeps') await sends('REPLACE', ['bob'])
    else {
      const draft = { mode: 'apply', maxRemovePercent: null, createdBy: 'tester' } as const
      await revertGroup(res, workspace, group.id, draft)
    }
    const [, removal, last] = await jobsIn(workspace)
    const job = last?.key ?? 0
    if (what === 'sweeps') await answer(res, { kind: 'job', workspace, job: removal?.key ?? 0 })
    await inStepsOf(1, workspace)
    const message: Message = { kind: 'job', workspace, job }
    return { ...own, erasure, message, members: () => membersOf(workspace, group.id) }
  }

  /** The job starts, adds, begins to sweep, and reaches the person, who is the second; or reverts the first. */
  const atPerson = { sweeps: 3, reverts: 1 }[what]
  const { before, after } = {
    sweeps: { before: ['abe', 'bob', 'cid'], after: ['bob'] },
    reverts: { before: ['cid'], after: ['bob', 'cid'] },
  }[what]

  it('and dies at the person does not keep the id', async () => {
    const { enqueued, res, dies, goesOn, ends, stateOf, erasure, message, members } =
      await sweeping()
    await dies(message, atPerson)
    expect((await traces()).filter((row) => row.startsWith('jobs '))).toHaveLength(1)
    await goesOn()
    expect(await stateOf(erasure)).toBe('receipt')
    expect((await traces()).filter((row) => row.startsWith('jobs '))).toEqual([])
    expect(enqueued).toContainEqual(message)
    await answer(res, message)
    expect(await members()).toEqual(after)
    await ends()
    expect([await stateOf(erasure), await traces()]).toEqual(['complete', []])
  })

  it('and sleeps before the person does not write the id', async () => {
    const { enqueued, res, sleeps, goesOn, ends, stateOf, erasure, message, members } =
      await sweeping()
    const wakes = await sleeps(message, atPerson)
    await goesOn()
    expect(await stateOf(erasure)).toBe('receipt')
    await wakes?.(true)
    expect((await traces()).filter((row) => row.startsWith('jobs '))).toEqual([])
    expect(await members()).toEqual(before)
    expect(enqueued).toContainEqual(message)
    await answer(res, message)
    expect(await members()).toEqual(after)
    await ends()
    expect([await stateOf(erasure), await traces()]).toEqual(['complete', []])
  })
})

describe('an earlier job', () => {
  type Scene = ReturnType<typeof scene>

  const uploads = async ({ res, workspace }: Scene, type: string): Promise<Message> => {
    const group = await grouped(res, workspace)
    const uploaded = parts(type, `${lines(['abe', person])}${person},x\n`)
    const { key } = await receiveUpload(res, workspace, group.id, {
      createdBy: 'tester',
      parts: uploaded,
    })
    return { kind: 'job', workspace, job: key }
  }
  const imports = async ({ res, workspace }: Scene): Promise<Message> => {
    const file = fileParts(`user_id,mail\nabe,abe\n${person},${person}\n${person},x,y\n`)
    const { key } = await receiveUsers(res, workspace, 'tester', file)
    return { kind: 'import', workspace, job: key }
  }
  const syncs = async ({ res, workspace }: Scene): Promise<Message> => {
    await filling(res, workspace, 'reds', teamIs('red'))
    const { key } = await requestSync(res, workspace, 'reds', { by: 'tester' })
    await inStepsOf(1, workspace)
    return { kind: 'job', workspace, job: key }
  }

  it.each([
    ['that adds', 3, (one: Scene) => uploads(one, 'ADD')],
    ['that removes', 3, (one: Scene) => uploads(one, 'REMOVE')],
    ['that replaces', 5, (one: Scene) => uploads(one, 'REPLACE')],
    ['that imports users', 3, imports],
    ['that syncs', 4, syncs],
  ])('%s is waited for wherever it sleeps, and keeps no id', async (_, writes, opens) => {
    for (let at = 0; ; at += everyCall) {
      await emptyTables()
      const one = scene()
      await writeUsers(one.res, one.workspace, [
        ['abe', { team: 'red' }],
        [person, { team: 'red' }],
        ['bob', { team: 'red' }],
      ])
      const message = await opens(one)
      one.enqueued.length = 0
      const wakes = await one.sleeps(message, at)
      if (wakes === undefined) {
        expect(at).toBeGreaterThanOrEqual(writes)
        return
      }
      const erasure = await one.erases()
      await one.goesOn()
      expect(await one.stateOf(erasure)).toBe('waiting')
      await wakes(false)
      await one.ends()
      await one.ends()
      expect([await one.stateOf(erasure), await traces()]).toEqual(['complete', []])
    }
  })
})

describe('a deleted definition', () => {
  it('whose rows still wait to be deleted keeps no value of the person', async () => {
    const { workspace, res, enqueued, erases, goesOn, stateOf, ends } = scene()
    const shared = [{ id: 'dog', type: 'boolean_or' as const }]
    await defined(res, workspace, 'household', 'mail', shared, { matching: 'normalized' })
    await writeUsers(res, workspace, [
      [person, { mail: person, dog: true }],
      ['bob', { mail: 'bob', dog: true }],
    ])
    await requestRecompute(res, workspace, 'household')
    await answerAll(res, enqueued)
    await deleteDefinition(res, workspace, 'household')
    enqueued.length = 0
    const erasure = await erases()
    await goesOn()
    expect(await stateOf(erasure)).toBe('receipt')
    await ends()
    expect([await stateOf(erasure), await traces()]).toEqual(['complete', []])
  })
})
