import type { Client } from '@openfeature/server-sdk'
import { shardOf } from '../../src/experiments/shard.ts'
import { bold } from './colour.ts'
import { flagsOf } from './feature.ts'
import { number, type Stage } from './stage.ts'
import { customers } from './uploads.ts'

const id = 'checkout-button'
const traffic = 2000

/** Chapter: the uploaded group is split into two variants; then more of it takes part. */
export async function experiment(stage: Stage): Promise<void> {
  const { url, token, platform, group, expect } = stage
  console.log(bold(`The experiment ${id}: of a fifth of the group, half see a green button`))
  await platform.createExperiment({
    id,
    name: 'Colour of the button',
    group_id: group,
    variants: [
      { id: 'control', weight: 5000, value: 'blue' },
      { id: 'treatment', weight: 5000, value: 'green' },
    ],
    traffic,
  })
  await platform.startExperiment(id)
  const { variants, p, srm } = await platform.balance(id)
  const arms = variants.map(({ id, observed }) => `${number.format(observed)} in ${id}`)
  console.log(`   ${arms.join(', ')}: as the weights say (p = ${p?.toFixed(2)})`)
  expect.compare('the balance', { srm }, { srm: false })

  const client = await flagsOf(url, token)
  const before = await armsOf(client)
  for (const { person, value, variant } of before)
    console.log(`   ${person} is in ${variant}, and sees a ${value} button`)
  expect.compare(
    'how they came to their variants',
    { reasons: before.map(({ reason }) => reason) },
    { reasons: people.map(() => 'SPLIT') },
  )

  console.log(bold('The whole group takes part'))
  await platform.changeExperiment(id, { traffic: 10_000 })
  const after = await armsOf(client)
  console.log(`   The three are still in ${after.map(({ variant }) => variant).join(', ')}`)
  expect.compare('the variants, with more traffic', { variants: after }, { variants: before })
}

/** Three of the group who take part from the beginning: anybody can tell who does. */
const people = customers(5_000, 95_000)
  .filter((person) => shardOf(`traffic-${id}-v1`, person) < traffic)
  .slice(0, 3)

const armsOf = (client: Client) =>
  Promise.all(
    people.map(async (person) => {
      const answer = await client.getStringDetails(id, 'none', { targetingKey: person })
      return { person, value: answer.value, variant: answer.variant, reason: answer.reason }
    }),
  )
