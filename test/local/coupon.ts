import { setTimeout as sleep } from 'node:timers/promises'
import type { Groups } from './api.ts'
import { mondayIn, fireCron } from './clock.ts'
import { bold } from './colour.ts'
import { flagsOf } from './feature.ts'
import { number, type Stage } from './stage.ts'

const audience = 'coupon'
const flag = 'Coupon for dogs'
const jane = 'jane-doe'

/** Chapter: everybody in a household with a dog becomes a group that applications can query. */
export async function coupon(stage: Stage): Promise<void> {
  const { platform, groups, expect } = stage
  const rule = { operator: 'equals', attribute: 'household:has_dog', value: true }
  console.log(
    bold(`The audience ${audience}: household:has_dog equals true, filled anew every week`),
  )
  await platform.createAudience({ id: audience, name: 'Coupon', rule, refresh: 'weekly' })
  const count = await platform.countAudience(audience)
  const answer = await platform.audienceMember(audience, jane)
  console.log(
    `   ${number.format(count)} users; ${jane} is ${answer.member ? 'one' : 'none'} of them`,
  )
  expect.compare<object>(`${jane} in the audience`, answer, {
    member: true,
    explain: { ...rule, result: true, saw: true },
  })

  const group = await groups.create(flag)
  await platform.attach(audience, group)
  const job = await groups.finished(await platform.sync(audience), 50)
  console.log(
    `   The group "${flag}": ${number.format(job.addedCount)} added by the audience's job, ${job.jobStatus}`,
  )
  expect.compare('the job of the audience', job, {
    jobStatus: 'SUCCESSFUL',
    totalRecordsCount: count,
    addedCount: count,
  })
  expect.compare(
    'the group of the audience',
    { members: await groups.participantCount(group) },
    { members: count },
  )
  await evaluateJane(stage, true)
}

/** Chapter: a week later, the group has followed. */
export async function couponAWeekLater(stage: Stage): Promise<void> {
  const { url, groups, expect } = stage
  console.log(bold('A few minutes after the second Monday, the audience has filled its group anew'))
  const before = await groups.jobs()
  await fireCron(url, '*/5 * * * *', mondayIn(2) + 300_000)
  const newest = await openedSince(groups, before[0]?.jobId)
  const job = await groups.finished(newest.jobId, 50)
  console.log(`   ${job.removedCount} removed, ${job.addedCount} added`)
  expect.compare('the job of the week', job, {
    jobStatus: 'SUCCESSFUL',
    addedCount: 0,
    removedCount: 1,
  })
  await evaluateJane(stage, false)
}

async function evaluateJane({ url, token, expect }: Stage, value: boolean): Promise<void> {
  const flags = await flagsOf(url, token)
  const answer = await flags.getBooleanDetails(flag, !value, { targetingKey: jane })
  console.log(
    `   OpenFeature: "${flag}" of ${jane} is ${answer.value} (${answer.errorMessage ?? answer.reason})`,
  )
  expect.compare<object>(`the coupon of ${jane}`, answer, { value, reason: 'TARGETING_MATCH' })
}

/** The newest job, once it is another: with several databases a cron sends messages. */
async function openedSince(groups: Groups, before: string | undefined) {
  for (let tries = 0; tries < 50; tries++) {
    const [newest] = await groups.jobs()
    if (newest !== undefined && newest.jobId !== before) return newest
    await sleep(100)
  }
  throw new Error('No job was opened')
}
