import { setTimeout as sleep } from 'node:timers/promises'
import { mondayIn, fireCron } from './clock.ts'
import { bold } from './colour.ts'
import type { Attributes, Definition, Platform, Profile, Report, Run } from './platform.ts'
import { progress } from './progress.ts'
import { number, since, type Stage } from './stage.ts'
import { watch } from './watch.ts'

const john = 'john-doe'
const jane = 'jane-doe'

/** The example of the document that the product comes from. */
const household: Definition = {
  id: 'household',
  description: 'users who share the same physical address',
  source_user_attribute: '$address',
  attributes: [{ id: 'has_dog', type: 'boolean_or' }],
}

/** 5,000 users in 2,000 homes of one to four; John, with a dog, and Jane share one. */
function residents(): Report[] {
  const others = Array.from({ length: 2000 }, (_, home) => home).flatMap((home) =>
    Array.from({ length: home === 1 ? 0 : 1 + (home % 4) }, (_, i) => ({
      user: `user-${String(home).padStart(4, '0')}-${i + 1}`,
      attributes: { $address: `${1 + home} Oak Ave`, has_dog: (home + i) % 5 === 0 },
    })),
  )
  return [
    { user: john, attributes: { $address: '123 Main St', has_dog: true } },
    { user: jane, attributes: { $address: '123 Main St' } },
    ...others,
  ]
}

/** Chapter: a server of the company sends what it knows of its users. */
export async function load({ platform, expect }: Stage): Promise<void> {
  const users = residents()
  console.log(
    bold(
      `Events with the addresses of ${number.format(users.length)} users, John and Jane Doe of 123 Main St among them`,
    ),
  )
  const start = performance.now()
  const sending = progress('events')
  await platform.report(users, (count) => sending.at(count / users.length))
  sending.end(`${number.format(users.length)} batches after ${since(start)}`)
  expect.compare('the users', { count: users.length }, { count: 5000 })
  expectProfile(expect, 'John, loaded', await platform.profile(john), {
    $address: '123 Main St',
    has_dog: true,
  })
  expectProfile(expect, 'Jane, loaded', await platform.profile(jane), { $address: '123 Main St' })
}

/** Chapter: who has the same address is one household from Monday on. */
export async function define({ platform, expect }: Stage): Promise<void> {
  const { id, description, source_user_attribute, attributes } = household
  console.log(bold(`Define ${id}: ${description}`))
  expect.compare('the definition', await platform.define(household), household)
  const shared = attributes.map((attribute) => `${attribute.id} (${attribute.type})`).join(', ')
  console.log(`   One group for each ${source_user_attribute}; its members share ${shared}.`)
}

/** Chapter: groups form themselves, and Jane has a dog. */
export async function firstMonday(stage: Stage): Promise<void> {
  // A row for each seat and one for what each group shares.
  await monday(stage, 1, { users_seated: 5000, groups: 2000, rows_changed: 7000 })
  await expectAtHome(
    stage,
    john,
    { $address: '123 Main St', has_dog: true, 'household:has_dog': true },
    '123 Main St',
  )
  await expectAtHome(
    stage,
    jane,
    { $address: '123 Main St', 'household:has_dog': true },
    '123 Main St',
  )
}

/** Chapter: where that comes from. */
export async function why({ platform, expect }: Stage): Promise<void> {
  const name = 'household:has_dog'
  const explained = await platform.explain(jane, name)
  console.log(bold(`Why is ${name} of ${jane} ${explained.value}?`))
  console.log(
    `   Its ${explained.source_user_attribute} is ${explained.group_value}; ` +
      `${explained.function} over what the members of that group have:`,
  )
  for (const { user_id, value, counts } of explained.contributions)
    console.log(`   ${user_id}  ${value ?? 'nothing'}${counts ? ', which decides' : ''}`)
  expect.compare(name, explained, {
    definition: 'household',
    source_user_attribute: '$address',
    group_value: '123 Main St',
    function: 'boolean_or',
    value: true,
  })
  const contributions = explained.contributions.map(({ user_id, value, counts }) => ({
    user_id,
    value,
    counts,
  }))
  expect.compare(name, { contributions }, { contributions: [hers, his] })
}

const hers = { user_id: jane, value: null, counts: false }
const his = { user_id: john, value: true, counts: true }

/** Chapter: Jane moves out; what she shared stays until Monday. */
export async function moveOut({ platform, expect }: Stage): Promise<void> {
  console.log(bold('Jane moves out, to 7 Elm St, and has what she had until Monday'))
  const profile = await platform.merge({ user: jane, attributes: { $address: '7 Elm St' } })
  show(jane, profile)
  expectProfile(expect, 'Jane, just moved', profile, {
    $address: '7 Elm St',
    'household:has_dog': true,
  })
}

/** Chapter: the dog stays with John. */
export async function secondMonday(stage: Stage): Promise<void> {
  // Her seat at each address, and what the new group shares.
  await monday(stage, 2, { users_seated: 5000, groups: 2001, rows_changed: 3 })
  await expectAtHome(
    stage,
    john,
    { $address: '123 Main St', has_dog: true, 'household:has_dog': true },
    '123 Main St',
  )
  await expectAtHome(stage, jane, { $address: '7 Elm St', 'household:has_dog': false }, '7 Elm St')
}

/** Chapter: the definition becomes continuous, and Jane need not wait for a Monday any more. */
export async function moveSooner(stage: Stage): Promise<void> {
  const { platform, expect } = stage
  console.log(
    bold('The definition becomes continuous: Jane moves on, and it shows without a Monday'),
  )
  await platform.makeContinuous(household.id)
  const [run] = await platform.runs(household.id)
  if (run === undefined) throw new Error('No run was opened for what was there before')
  await platform.finished(household.id, run.id, 50)
  const start = performance.now()
  const attributes = { $address: '3 Oak Ave' }
  await platform.merge({ user: jane, attributes })
  const profile = await settledAt(stage, '3 Oak Ave')
  console.log(`   after ${since(start)}:`)
  show(jane, profile)
  const groups = [{ definition: household.id, value: '3 Oak Ave' }]
  const shared = { ...attributes, 'household:has_dog': false }
  expectProfile(expect, 'Jane, without a Monday', profile, shared, groups)
}

/** Chapter: she is at home with John all the same, whatever the address says. */
export async function putRight(stage: Stage): Promise<void> {
  const { platform, expect } = stage
  console.log(bold(`The form was wrong: a correction says that ${jane} belongs with ${john}`))
  await platform.putWith(household.id, jane, john, 'only her mail moved')
  const profile = await settledAt(stage, '123 Main St')
  show(jane, profile)
  const home = { definition: household.id, value: '123 Main St', correction: { with: john } }
  const shared = { $address: '3 Oak Ave', 'household:has_dog': true }
  expectProfile(expect, 'Jane, by hand', profile, shared, [home])
  await monday(stage, 3, { users_seated: 5000, groups: 2000, rows_changed: 0 })
  expectProfile(expect, 'Jane, after a Monday', await platform.profile(jane), shared, [home])
}

/** Polls until Jane is in the household of an address. */
async function settledAt({ platform }: Stage, address: string): Promise<Profile> {
  const read = () => platform.profile(jane)
  const progress = ({ groups }: Profile) => ({ ended: groups[0]?.value === address, step: '' })
  return watch({ name: `The household of ${jane}`, read, progress }, 50, () => undefined)
}

/** The runs once there is another: with several databases a cron sends messages. */
async function openedSince(platform: Platform, before: Run[]): Promise<Run[]> {
  for (let tries = 0; tries < 50; tries++) {
    const runs = await platform.runs(household.id)
    if (runs.length > before.length) return runs
    await sleep(100)
  }
  return []
}

/** Triggers a Monday, follows its run to the end, shows and checks the result. */
async function monday(
  { url, platform, expect }: Stage,
  weeks: number,
  outcome: Partial<Run>,
): Promise<void> {
  const at = mondayIn(weeks)
  const title = `Monday, ${new Date(at).toISOString().slice(0, 10)}`
  console.log(bold(`${title}, 03:00 UTC`))
  const before = await platform.runs(household.id)
  const start = performance.now()
  await fireCron(url, '0 3 * * MON', at)
  const [opened, ...earlier] = await openedSince(platform, before)
  if (opened === undefined) throw new Error(`${title} began no run`)
  const working = progress('run')
  const run = await platform.finished(household.id, opened.id, 50, ({ progress_percent }) =>
    working.at(progress_percent / 100),
  )
  working.end(`${run.status} after ${since(start)}`)
  const [users, groups, rows] = [run.users_seated, run.groups, run.rows_changed].map((count) =>
    number.format(count),
  )
  console.log(
    `   Week ${run.week}: ${users} users seated in ${groups} groups, ${rows} rows changed.`,
  )

  // A cron that comes twice.
  await fireCron(url, '0 3 * * MON', at)
  expect.compare(
    title,
    { runs: (await platform.runs(household.id)).length },
    { runs: before.length + 1 },
  )
  expect.compare(
    title,
    { earlier: earlier.map(({ id }) => id) },
    { earlier: before.map(({ id }) => id) },
  )
  expect.compare<Run>(title, run, {
    status: 'SUCCESSFUL',
    progress_percent: 100,
    users_over_limit: 0,
    ...outcome,
  })
}

/** Shows a user, and checks attributes and household. */
async function expectAtHome(
  { platform, expect }: Stage,
  user: string,
  attributes: Attributes,
  value: string,
): Promise<void> {
  const profile = await platform.profile(user)
  show(user, profile)
  expectProfile(expect, user, profile, attributes, [{ definition: household.id, value }])
}

function expectProfile(
  expect: Stage['expect'],
  about: string,
  profile: Profile,
  attributes: Attributes,
  groups?: Profile['groups'],
): void {
  expect.compare<Profile>(about, profile, {
    user_attributes: attributes,
    ...(groups && { groups }),
  })
}

const show = (user: string, { user_attributes }: Profile) =>
  console.log(
    `   ${user}  ${Object.entries(user_attributes)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ')}`,
  )
