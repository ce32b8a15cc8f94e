import { getToken, Groups, registerClient } from './api.ts'
import { Expectations } from './expectations.ts'
import { automation } from './automation.ts'
import { coupon, couponAWeekLater } from './coupon.ts'
import { feature } from './feature.ts'
import { temporaryFolder } from './folder.ts'
import { define, firstMonday, load, moveOut, secondMonday, why } from './household.ts'
import { Platform } from './platform.ts'
import { main } from './program.ts'
import { startServer, type Server } from './server.ts'
import type { Stage } from './stage.ts'
import { add, badRows, remove, replace } from './uploads.ts'

const chapters = [
  add,
  replace,
  remove,
  badRows,
  load,
  define,
  firstMonday,
  why,
  coupon,
  moveOut,
  secondMonday,
  couponAWeekLater,
  automation,
  feature,
]

/**
 * `npm run demo`: a day in the life of a group that is kept by hand, two weeks in that of households that form themselves and of
 * the audience that they make, what another system hears
 * of it all, and a feature for the group, on a server of its own. Exits with 0 only if all is as it should be.
 */
await main(async () => {
  const start = performance.now()
  console.log(
    'Coterie, on this machine: the real Worker with its database, its file store and its queue.\n',
  )
  const server = await startServer({ stateDir: temporaryFolder() })
  const expect = new Expectations()
  const stage = await open(server, expect)
  for (const chapter of chapters) {
    console.log()
    await chapter(stage)
  }
  await server.stop()
  console.log(
    `\nThe server is stopped, its state deleted: ${Math.round((performance.now() - start) / 1000)} s in all.`,
  )
  for (const difference of expect.differences) console.error(`✗ ${difference}`)
  if (expect.differences.length > 0) return 1
  console.log('✓ Every count, every profile and every flag is what it should be.')
  return 0
})

/** Chapter: from nothing to an empty group. */
async function open({ url, adminToken }: Server, expect: Expectations): Promise<Stage> {
  console.log(`server  ${url}`)
  const client = await registerClient(url, adminToken, 'demo')
  console.log(`client  ${client.id}, registered with the ADMIN_TOKEN`)
  const token = await getToken(url, client)
  const groups = new Groups(url, token)
  console.log('token   good for eight hours')
  const group = await groups.create('Early adopters')
  console.log(`group   ${group}, named Early adopters`)
  expect.compare(
    'a new group',
    { groupParticipantCount: await groups.participantCount(group) },
    { groupParticipantCount: 0 },
  )
  return { url, token, groups, group, platform: new Platform(url, client, token), expect }
}
