import type { Db, Meter } from './connect.ts'
import { outsideOfSessions, sessionsOf, type Answered, type Databases } from './sessions.ts'

/** `DB` is shard 0 and the directory; `DB_1`, `DB_2` … are the others, without a gap. */
export interface ShardBindings {
  DB: D1Database
  [other: `DB_${number}`]: D1Database | undefined
}

/** The databases of an installation, by the number of their shard. */
export function shardsOf(bound: ShardBindings): readonly D1Database[] {
  const shards = [bound.DB]
  for (let other = bound.DB_1; other !== undefined; other = bound[`DB_${shards.length}`])
    shards.push(other)
  return shards
}

/** A shard as an invocation reaches it. */
export interface Shard {
  shard: number
  /** All workspaces of this shard, for what walks them all. */
  database: Db
  /** Everything of a workspace lives in one database: that of its shard, which is the one at hand. */
  databaseOf: (workspace: number) => Db
  /** The same from the nearest replica, which may be a moment behind, but not the bookmark. */
  replicaOf: (workspace: number) => Db
  /** Which state the request's last statement saw; nothing where it took none. */
  answered: () => Answered
  /** The same outside of the request's session and cost, for what an isolate keeps for all requests. */
  apart: () => Pick<Databases, 'primary' | 'replica'>
}

/**
 * How an invocation reaches its shards, each opened once. A request's bookmark is of one of them;
 * of the others it says nothing, so that they are read at their primary.
 */
export function openShards(
  shards: readonly D1Database[],
  meter: Meter,
  bookmark: string | undefined,
): (shard: number) => Shard {
  const opened = new Map<number, Shard>()
  const open = (shard: number): Shard => {
    const d1 = shards[shard]
    if (d1 === undefined) throw new Error(`no database is bound for shard ${shard}`)
    const { primary, replica, answered } =
      bookmark === undefined
        ? outsideOfSessions(d1, meter)
        : sessionsOf(d1, meter, own(bookmark, shard))
    return {
      shard,
      database: primary,
      databaseOf: () => primary,
      replicaOf: () => replica,
      answered: () => markedAs(shard, answered()),
      apart: () => outsideOfSessions(d1, { statements: 0, rowsRead: 0, rowsWritten: 0 }),
    }
  }
  return (shard) => {
    const known = opened.get(shard) ?? open(shard)
    opened.set(shard, known)
    return known
  }
}

/** A bookmark says of which shard it is, but for shard 0. */
const mark = /^(\d{1,4}):/

export const shardOfBookmark = (bookmark: string): number => Number(mark.exec(bookmark)?.[1] ?? 0)

/** Without its mark where it is of this shard; otherwise one that cannot be read. */
function own(bookmark: string, shard: number): string {
  if (bookmark === '') return ''
  return shardOfBookmark(bookmark) === shard ? bookmark.replace(mark, '') : 'of another shard'
}

const markedAs = (shard: number, { bookmark, ...answered }: Answered): Answered =>
  bookmark === undefined
    ? answered
    : { ...answered, bookmark: shard === 0 ? bookmark : `${shard}:${bookmark}` }
