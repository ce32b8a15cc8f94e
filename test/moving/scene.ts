import { env } from 'cloudflare:workers'
import { goBack, openMove, type Move } from '../../src/moving/moves.ts'
import { runMove } from '../../src/moving/run.ts'
import { resources, type Env, type Resources } from '../../src/resources.ts'
import { keeping } from '../support/bindings.ts'
import { migrate } from '../support/databases.ts'
import { tables } from '../support/store.ts'
import { watchedCalls } from '../support/watched-calls.ts'

/** The databases of the installation: the directory, and two others. */
export const shards = () => [env.DB, env.OTHER_1, env.OTHER_2]

export const prepareShards = () => Promise.all(shards().map(migrate))

/** Tables that say how far a move is, and those of a shard, where previews stay. */
const ofMoves = ['cron_places', 'definition_previews', 'fences', 'move_changes', 'moves', 'places']

/** Every row of a database, each as a line of text that begins with its table. */
export async function rowsIn(db: D1Database): Promise<Set<string>> {
  const names = (await tables()).filter((name) => !ofMoves.includes(name))
  const found = await db.batch(names.map((name) => db.prepare(`SELECT * FROM ${name}`)))
  return new Set(
    found.flatMap(({ results }, i) => results.map((row) => `${names[i]} ${JSON.stringify(row)}`)),
  )
}

/** What is done after a call of a database, or in its place. */
type Between = (shard: number, run: () => Promise<unknown>) => Promise<unknown>

/** An installation of three shards, whose messages a test delivers, and whose clock it sets. */
export function installation(vars: Partial<Env> = {}) {
  let between: Between = (_, run) => run()
  let ahead = 0
  const watched = (db: D1Database, shard: number): D1Database => {
    // What `run` gives is what `call` is to give.
    const queried = watchedCalls((run) => between(shard, run) as ReturnType<typeof run>, db)
    const session = { ...queried, getBookmark: () => null }
    // What `connect` and `resources` call is there.
    return { ...queried, withSession: () => session } as unknown as D1Database
  }
  const [DB, DB_1, DB_2] = shards().map(watched)
  const kept = keeping({ DB, DB_1, DB_2, REVOCATIONS_SECONDS: 1, ...vars } as Partial<Env>)
  const now = () => Date.now() + ahead
  const res = (): Resources => ({ ...resources(kept.bound), now })
  return {
    ...kept,
    res,
    pass: (ms: number) => void (ahead += ms),
    meanwhile: (what: Between) => void (between = what),
    open: (workspace: number, target: number) => openMove(res(), workspace, target),
    back: ({ key }: Move) => goBack(res(), key),
    run: ({ workspace, key }: Pick<Move, 'workspace' | 'key'>) =>
      runMove(res(), { workspace, move: key }),
  }
}

export type Installation = ReturnType<typeof installation>

/** The move as the directory has it. */
export async function moveOf({ key }: Pick<Move, 'key'>): Promise<Record<string, unknown>> {
  const row = await env.DB.prepare('SELECT * FROM moves WHERE key = ?').bind(key).first()
  if (row === null) throw new Error('there is no such move')
  return row
}

/** Delivers a move's messages until it is in a state: time passes between them. */
export async function until(one: Installation, move: Move, ...states: string[]): Promise<void> {
  for (let runs = 0; runs < 100; runs++) {
    if (states.includes(String((await moveOf(move))['state']))) return
    await one.run(move)
    one.pass(10_000)
  }
  throw new Error(`after a hundred messages still ${JSON.stringify(await moveOf(move))}`)
}
