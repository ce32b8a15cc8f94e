import { describe, expect, it } from 'vitest'
import { deleteAudience } from '../../src/audiences/audiences.ts'
import { requestSync } from '../../src/audiences/sync.ts'
import { deleteGroup } from '../../src/experience/delete-group.ts'
import { getJob, type JobType } from '../../src/experience/jobs.ts'
import { revertGroup } from '../../src/experience/revert.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import { deleteDefinition } from '../../src/identity/erase.ts'
import { deleteUser } from '../../src/identity/delete-user.ts'
import { requestRecompute } from '../../src/identity/recompute.ts'
import { giveUpRun } from '../../src/identity/runs.ts'
import { receiveUsers } from '../../src/identity/users-upload.ts'
import { giveUp } from '../../src/jobs/jobs.ts'
import type { Message } from '../../src/messages.ts'
import { createWebhook } from '../../src/webhooks/subscriptions.ts'
import { lines } from '../support/api.ts'
import {
  changeAudience,
  filling,
  grouped,
  held,
  inStepsOf,
  syncBy,
  teamIs,
} from '../support/audiences.ts'
import { fileParts, hazardous, parts, unlessCrash } from '../support/hazard.ts'
import { answer, answerAll, sleepsThroughEach } from '../support/stale.ts'
import { defined, writeUsers } from '../support/weeks.ts'
import { newWorkspace } from '../support/workspaces.ts'

type Hazard = ReturnType<typeof hazardous>

/** Work that waits, and what may become of it while an invocation sleeps; `later` is other work after it. */
interface Work {
  message: Message
  later: () => Promise<unknown>
  givesUp: () => Promise<unknown>
  goes?: () => Promise<unknown>
}

/** A workspace with a webhook. */
async function opened({ res }: Hazard): Promise<number> {
  const workspace = newWorkspace()
  const draft = { url: 'https://hooks.shop.com/', description: '', eventTypes: null }
  await createWebhook(res, workspace, draft, 'tester')
  return workspace
}

/** What is accepted meanwhile is applied in slices of a few bytes. */
async function inSlices<Job>({ res }: Hazard, accept: () => Promise<Job>): Promise<Job> {
  const { limits } = res
  const { sliceBytes } = limits
  limits.sliceBytes = 16
  const job = await accept()
  limits.sliceBytes = sliceBytes
  return job
}

const upload = (type: JobType, rows: string[]) => async (hand: Hazard) => {
  const { res } = hand
  const workspace = await opened(hand)
  const group = await grouped(res, workspace)
  await held(group, ['ann', 'bob', 'cid', 'dan'])
  const send = (type: JobType, rows: string[]) =>
    receiveUpload(res, workspace, group.id, {
      createdBy: 'tester',
      parts: parts(type, lines(['id', ...rows])),
    })
  const { key: job } = await inSlices(hand, () => send(type, rows))
  return {
    message: { kind: 'job', workspace, job } as const,
    later: async () => {
      await send('remove', ['ann', 'bob', 'fay'])
      await send('add', ['bob', 'cid', 'eve'])
    },
    givesUp: () => giveUp(res, workspace, job),
    goes: () => deleteGroup(res, workspace, group.id),
  }
}

/** A revert of a file that has changed half of a group. */
async function revert(hand: Hazard): Promise<Work> {
  const { res, enqueued } = hand
  const workspace = await opened(hand)
  const group = await grouped(res, workspace)
  await held(group, ['ann', 'bob', 'cid', 'dan'])
  const send = (type: JobType, rows: string[]) =>
    receiveUpload(res, workspace, group.id, {
      createdBy: 'tester',
      parts: parts(type, lines(rows)),
    })
  await send('replace', ['bob', 'cid', 'eve', 'fay'])
  await answerAll(res, enqueued)
  const draft = { mode: 'apply', maxRemovePercent: null, createdBy: 'tester' } as const
  const id = await revertGroup(res, workspace, group.id, draft)
  const { key: job } = await getJob(res.databaseOf(workspace), workspace, id)
  await inStepsOf(2, workspace)
  return {
    message: { kind: 'job', workspace, job },
    later: async () => {
      await send('remove', ['ann', 'bob', 'fay'])
      await send('add', ['bob', 'cid', 'eve'])
    },
    givesUp: () => giveUp(res, workspace, job),
    goes: () => deleteGroup(res, workspace, group.id),
  }
}

/** An upload that was given up after some of it was written. */
async function undo(hand: Hazard): Promise<Work> {
  const work = await upload('replace', ['ann', 'eve', 'fay', 'a,b'])(hand)
  hand.fuse({ at: 4, when: 'before' })
  await answer(hand.res, work.message).catch(unlessCrash)
  hand.fuse(undefined)
  await work.givesUp()
  return work
}

const usersFile =
  (rows: string[]) =>
  async (hand: Hazard): Promise<Work> => {
    const { res } = hand
    const workspace = await opened(hand)
    await writeUsers(res, workspace, [['ann', { plan: 'old' }]])
    const send = (rows: string[]) =>
      receiveUsers(res, workspace, 'tester', fileParts(lines(['user_id,plan', ...rows])))
    const { key: job } = await inSlices(hand, () => send(rows))
    return {
      message: { kind: 'import', workspace, job },
      later: async () => {
        await send(['ann,free', 'cid,none', 'eve,gold'])
        await deleteUser(res, workspace, 'bob').catch(() => undefined)
      },
      givesUp: () => giveUp(res, workspace, job),
    }
  }

/** Of good users, and of some whose ids are too long for a participant. */
async function sync(hand: Hazard): Promise<Work> {
  const { res } = hand
  const workspace = await opened(hand)
  const people = (names: string[], team: string) =>
    writeUsers(
      res,
      workspace,
      names.map((name) => [name, { team }]),
    )
  const group = await filling(res, workspace, 'reds', teamIs('red'))
  await people(['ann', 'bob', 'eve', 'x'.repeat(40)], 'red')
  await people(['fay'], 'blue')
  await held(group, ['bob', 'fay', 'gus'])
  const { key: job } = await requestSync(res, workspace, 'reds', { by: 'tester' })
  await inStepsOf(2, workspace)
  return {
    message: { kind: 'job', workspace, job },
    later: async () => {
      await changeAudience(res, workspace, 'reds', teamIs('blue'))
      await requestSync(res, workspace, 'reds', { by: 'tester' })
    },
    givesUp: () => giveUp(res, workspace, job),
    goes: async () => {
      await deleteAudience(res, workspace, 'reds')
      await deleteGroup(res, workspace, group.id)
    },
  }
}

async function brokenSync(hand: Hazard): Promise<Work> {
  const { res } = hand
  const workspace = await opened(hand)
  await writeUsers(res, workspace, [['ann', { team: 'red' }]])
  const { group, key: job } = await syncBy(res, workspace, { operator: 'in_group', group: 'gone' })
  return {
    message: { kind: 'job', workspace, job },
    later: () => writeUsers(res, workspace, [['bob', { team: 'red' }]]),
    givesUp: () => giveUp(res, workspace, job),
    goes: () => deleteGroup(res, workspace, group.id),
  }
}

const run = (matching: 'normalized' | null) => async (hand: Hazard) => {
  const { res, enqueued } = hand
  const workspace = await opened(hand)
  const live = (streets: Record<string, string>, at: number) =>
    writeUsers(
      res,
      workspace,
      Object.entries(streets).flatMap(([street, people]) =>
        people.split('').map((one) => [one, { street, cars: one.charCodeAt(0) }]),
      ),
      at,
    )
  const shared = [
    { id: 'cars', type: 'sum' },
    { id: 'street', type: 'latest' },
  ] as const
  await defined(res, workspace, 'household', 'street', [...shared], { matching })
  await live({ Ash: 'abcd', 'birch  1': 'ef', Cedar: 'ghi', fir: 'jk' }, 1)
  await requestRecompute(res, workspace, 'household')
  await answerAll(res, enqueued)
  await live({ ash: 'ex', 'Birch 1': 'ag', cedar: 'fjy', fir: 'z', yew: 'ik' }, 2)
  const { key } = await requestRecompute(res, workspace, 'household')
  return {
    message: { kind: 'recompute', workspace, run: key } as const,
    later: async () => {
      await live({ ash: 'fghi', cedar: 'xabc', oak: 'dez' }, 3)
      await requestRecompute(res, workspace, 'household')
    },
    givesUp: () => giveUpRun(res, workspace, key),
    goes: () => deleteDefinition(res, workspace, 'household'),
  }
}

const works: [string, (hand: Hazard) => Promise<Work>][] = [
  ['an ADD', upload('add', ['ann', 'eve', 'a,b', 'fay', 'c,d'])],
  ['a REMOVE', upload('remove', ['ann', 'eve', 'a,b', 'cid', 'c,d'])],
  ['a REPLACE', upload('replace', ['ann', 'eve', 'a,b', 'fay', 'c,d'])],
  ['an upload without a good row', upload('add', ['a,b', 'c,d', 'e,f'])],
  ['an upload that is no text', upload('add', ['ann', 'b\0b'])],
  ['an upload that is undone', undo],
  ['a revert', revert],
  [
    'a file of users',
    usersFile(['ann,gold', 'bob,free', 'a,b,c', 'cid,free', 'cid,gold', 'd,e,f']),
  ],
  ['a file of users without a good row', usersFile(['a,b,c', 'd,e,f', 'g,h,i'])],
  ['a file of users that is no text', usersFile(['ann,b\0b'])],
  ['a sync', sync],
  ['a sync that lacks what its rule names', brokenSync],
  ['a run', run(null)],
  ['a run of normalized values', run('normalized')],
]

/** What others do with work while an invocation of it sleeps. */
const fates: Record<string, (hand: Hazard, work: Work) => Promise<void>> = {
  'is finished': async ({ res, enqueued }, { message, later }) => {
    await answer(res, message)
    await later()
    await answerAll(res, enqueued)
  },
  // Nothing comes after it: what it would have written is missing still.
  'is given up': async ({ res, enqueued }, { message, givesUp }) => {
    await givesUp()
    await answer(res, message)
    await answerAll(res, enqueued)
  },
  goes: async ({ res, enqueued }, { message, goes }) => {
    await goes?.()
    await answer(res, message)
    await answerAll(res, enqueued)
  },
}

const vars = {
  USERS_PER_STEP: 8,
  GROUP_USERS_MAX: 3,
  PARTICIPANT_MAX: 32,
  BAD_ROWS_MAX_PERCENT: 90,
}

describe.each(works)('%s', (name, open) => {
  it.each(Object.entries(fates).filter(([fate]) => fate !== 'goes' || !name.includes('users')))(
    'is changed no more by an invocation that slept while it %s',
    async (_, overtake) => {
      const calls = await sleepsThroughEach(
        name,
        async (hand) => {
          const work = await open(hand)
          hand.enqueued.length = 0
          return { message: work.message, meanwhile: () => overtake(hand, work) }
        },
        vars,
      )
      expect(calls).toBeGreaterThan(1)
    },
  )
})
