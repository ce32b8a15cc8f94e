import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { settled } from '../support/settled.ts'
import { emptyTables } from '../support/store.ts'
import { allWritten } from '../support/taken.ts'
import { twinsOf } from '../support/twin.ts'
import { installation, prepareShards, rowsIn, shards, until } from './scene.ts'

const day = 86_400_000

beforeAll(async () => void (await prepareShards()))

/** A workspace with rows in most tables, and two others that have the same ids. */
async function stage() {
  await emptyTables()
  const { team } = await settled()
  await allWritten()
  await scheduler.wait(300)
  const own = await rowsIn(env.DB)
  const twins: [number, number] = [team.workspace + 1000, team.workspace + 2000]
  await twinsOf(team.workspace, twins)
  const others = (await rowsIn(env.DB)).difference(own)
  return { workspace: team.workspace, own, others }
}

const list = (rows: Set<string>) => [...rows].sort()

describe('a workspace', () => {
  it('is moved with all of its rows, and no others', async () => {
    const { workspace, own, others } = await stage()
    const one = installation()
    const move = await one.open(workspace, 1)
    await until(one, move, 'moved')
    expect(list(await rowsIn(env.OTHER_1))).toEqual(list(own))
    expect(list(await rowsIn(env.DB))).toEqual(list(own.union(others)))
    one.pass(day)
    await until(one, move, 'complete')
    expect(list(await rowsIn(env.DB))).toEqual(list(others))
    expect(list(await rowsIn(env.OTHER_1))).toEqual(list(own))
    for (const db of shards())
      expect(
        (await db.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all()).results,
      ).toEqual([])
  })
})
