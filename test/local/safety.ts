import type { Job } from './api.ts'
import { bold, dim } from './colour.ts'
import { number, type Stage } from './stage.ts'
import { customers, pieces } from './uploads.ts'

const guard = 20

/** Chapter: a wrong file is held before anybody sees it; a right one is published, and taken back. */
export async function safety(stage: Stage): Promise<void> {
  const { groups, group, expect } = stage
  const before = await groups.participantCount(group)
  await groups.guard(group, guard)
  console.log(bold(`REPLACE by the wrong file, where a job may remove ${guard} % of the group`))
  const wrong = await sent(stage, customers(0, 6_000))
  const { jobDetails: why = '' } = wrong
  console.log(`   ${wrong.jobStatus}: ${why} The group still has ${number.format(before)}.`)
  await showChanges(stage, wrong)
  const { jobStatus } = await groups.cancel(wrong.jobId)
  console.log(`   Cancelled by hand: ${dim(jobStatus)}`)
  expect.compare<object>('the wrong file', wrong, {
    jobStatus: 'HELD',
    jobDetails: `Would remove 89002 of 90002 members, more than ${guard} %.`,
  })
  await expectMembers(stage, 'the group beside the wrong file', before)

  console.log(bold('REPLACE by the right file, looked at before it is published'))
  const right = await sent(stage, customers(6_000, 96_000), 'preview')
  await showChanges(stage, right)
  const live = await groups.publish(right.jobId, right.removedCount)
  console.log(`   Published, all at once: ${dim(live.jobStatus)}`)
  expect.compare('the right file', live, {
    jobStatus: 'SUCCESSFUL',
    addedCount: 1_000,
    removedCount: 1_002,
    unchangedCount: 89_000,
  })
  await expectMembers(stage, 'the group after the right file', before - 2)

  console.log(bold('And back to the revision before'))
  const back = await groups.finished(await groups.revert(group), 50)
  console.log(
    `   ${number.format(back.addedCount)} came back, ${number.format(back.removedCount)} left`,
  )
  expect.compare('the way back', back, {
    jobStatus: 'SUCCESSFUL',
    addedCount: 1_002,
    removedCount: 1_000,
  })
  await expectMembers(stage, 'the group after it', before)
}

/** Uploads a file of the whole group, and waits until it is held. */
async function sent({ groups, group }: Stage, ids: string[], mode?: 'preview'): Promise<Job> {
  const content = pieces(Buffer.from(`ParticipantId\n${ids.join('\n')}\n`))
  const file = { type: 'REPLACE', name: 'customers.csv', content } as const
  const jobId = await groups.upload(group, mode === undefined ? file : { ...file, mode })
  return groups.finished(jobId, 50)
}

async function showChanges({ groups }: Stage, job: Job): Promise<void> {
  const { addedCount, removedCount, unchangedCount } = job
  const [added, removed] = [
    await groups.changes(job.jobId, 'added', 2),
    await groups.changes(job.jobId, 'removed', 2),
  ]
  const some = (people: string[]) => dim(people.length === 0 ? '' : `${people.join(', ')} …`)
  console.log(`   + ${number.format(addedCount)} would join   ${some(added)}`)
  console.log(`   − ${number.format(removedCount)} would leave  ${some(removed)}`)
  console.log(`     ${number.format(unchangedCount)} would stay`)
}

async function expectMembers({ groups, group, expect }: Stage, what: string, members: number) {
  expect.compare(what, { members: await groups.participantCount(group) }, { members })
}
