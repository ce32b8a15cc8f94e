import { parseArgs } from 'node:util'
import { getToken, Groups, registerClient } from './api.ts'
import { experiment } from './experiment.ts'
import { Expectations } from './expectations.ts'
import { automation } from './automation.ts'
import { tick } from './clock.ts'
import { bold, dim, green, red } from './colour.ts'
import { coupon, couponAWeekLater } from './coupon.ts'
import { during } from './during.ts'
import { feature } from './feature.ts'
import { temporaryFolder } from './folder.ts'
import {
  define,
  firstMonday,
  load,
  moveOut,
  moveSooner,
  putRight,
  secondMonday,
  why,
} from './household.ts'
import { Platform } from './platform.ts'
import { main } from './program.ts'
import { startServer, type Server } from './server.ts'
import { shardsOf } from './shards.ts'
import { moved } from './moved.ts'
import type { Stage } from './stage.ts'
import { safety } from './safety.ts'
import { add, badRows, remove, replace } from './uploads.ts'

/** Of installations with so many databases. */
const chaptersOf = (shards: number) => [
  add,
  replace,
  remove,
  badRows,
  safety,
  load,
  define,
  firstMonday,
  why,
  ...(shards > 1 ? [moved] : []),
  coupon,
  moveOut,
  secondMonday,
  couponAWeekLater,
  automation,
  feature,
  experiment,
  moveSooner,
  putRight,
]

/**
 * `npm run demo`: groups, households, audiences, webhooks, flags and an experiment on its own server; `--keep`
 * leaves it running, `--shards` is how many databases it has.
 */
await main(async () => {
  const { keep, shards } = parseArgs({
    options: { keep: { type: 'boolean', default: false }, shards: { type: 'string' } },
  }).values
  const start = performance.now()
  console.log(
    'Coterie, on this machine: the real Worker with its database, its file store and its queue.\n',
  )
  const count = shardsOf(shards)
  const server = await startServer({
    stateDir: temporaryFolder(),
    during,
    shards: count,
    // A move waits for twice as long.
    vars: { REVOCATIONS_SECONDS: '1' },
  })
  const expect = new Expectations()
  const stage = await open(server, expect)
  for (const chapter of chaptersOf(count)) {
    console.log()
    await chapter(stage)
  }
  if (!keep) await server.stop()
  const seconds = Math.round((performance.now() - start) / 1000)
  console.log(
    `\n${keep ? 'The demo is over' : 'The server is stopped, its state deleted'}: ${seconds} s in all.`,
  )
  for (const difference of expect.differences) console.error(red(`✗ ${difference}`))
  if (expect.differences.length > 0) return 1
  console.log(green('✓ Every count, every profile and every flag is what it should be.'))
  console.log(keep ? invitation(stage) : next())
  if (keep) await stay(server)
  return 0
})

function next(): string {
  return `
Next: ${bold('npm run demo -- --keep')} leaves the server running for you to explore;
${bold('npm start')} serves an empty one, and "Ten lines" of README goes on from there.`
}

function invitation({ url, token, group }: Stage): string {
  return `
The server stays until Ctrl-C, which deletes its state. In a second terminal:

URL=${url}
TOKEN=${token}
call() { curl -s -H "Authorization: Bearer $TOKEN" -H "transactionId: ${group}" "$@"; echo; }
call $URL/groups/v3/groups/${group}/participants/john-doe
call $URL/platform/workspaces/1/users/jane-doe
call $URL/platform/workspaces/1/audiences/coupon/count
`
}

/** Until the server ends, which it does not by itself. */
async function stay({ url, ended }: Server): Promise<never> {
  tick(url)
  throw new Error(`The server has ended:\n${await ended}`)
}

/** Chapter: from nothing to an empty group. */
async function open({ url, adminToken }: Server, expect: Expectations): Promise<Stage> {
  console.log(`${dim('server')}  ${url}`)
  const client = await registerClient(url, adminToken, 'demo')
  console.log(`${dim('client')}  ${client.id}, registered with the ADMIN_TOKEN`)
  const token = await getToken(url, client)
  const groups = new Groups(url, token)
  console.log(`${dim('token')}   good for eight hours`)
  const group = await groups.create('Early adopters')
  console.log(`${dim('group')}   ${group}, named Early adopters`)
  expect.compare(
    'a new group',
    { groupParticipantCount: await groups.participantCount(group) },
    { groupParticipantCount: 0 },
  )
  return {
    url,
    adminToken,
    token,
    groups,
    group,
    platform: new Platform(url, client, token),
    expect,
  }
}
