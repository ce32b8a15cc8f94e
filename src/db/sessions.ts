import { connect, type Db, type Meter, type Queried } from './connect.ts'

/** Which state of the database the last statement of a request saw, and who answered it. */
export interface Answered {
  bookmark?: string
  /** Its region, and whether it is the primary. */
  servedBy?: string
}

export interface Databases {
  primary: Db
  /** The nearest replica; the primary once the request has queried that. */
  replica: Db
  answered: () => Answered
}

/** As D1 makes them: hexadecimal numbers, joined by dashes. */
const bookmarks = /^[\da-f]{1,64}(-[\da-f]{1,64}){1,7}$/i

/** Of a message or a cron, which read what they are to write. */
export function outsideOfSessions(d1: D1Database, meter: Meter): Databases {
  const replica = once(() => d1.withSession('first-unconstrained'))
  return { primary: connect(d1, meter), replica: later(replica, meter), answered: () => ({}) }
}

/**
 * Of a request with this bookmark, or ''. Its reads see that state or a later one; where the
 * bookmark cannot be read, they go to the primary, which is never behind.
 */
export function sessionsOf(d1: D1Database, meter: Meter, bookmark: string): Databases {
  const opened: D1DatabaseSession[] = []
  const open = (from: string) => {
    const session = d1.withSession(from)
    opened.push(session)
    return session
  }
  let toPrimary = bookmark !== '' && !bookmarks.test(bookmark)
  // For each statement anew: only the first of a session is sure to go to the primary.
  const primary = () => {
    toPrimary = true
    return open('first-primary')
  }
  const nearest = once(() => open(bookmark || 'first-unconstrained'))
  let last: D1Meta | undefined
  const followed = (session: () => D1DatabaseSession) =>
    later(session, meter, (meta) => (last = meta))
  return {
    primary: followed(primary),
    replica: followed(() => (toPrimary ? primary() : nearest())),
    answered: () => (last === undefined ? {} : answeredBy(newestOf(opened), last)),
  }
}

/** Bookmarks sort from oldest to newest. */
const newestOf = (sessions: D1DatabaseSession[]) =>
  sessions
    .flatMap((session) => session.getBookmark() ?? [])
    .sort()
    .at(-1)

function once<T>(make: () => T): () => T {
  let made: { it: T } | undefined
  return () => (made ??= { it: make() }).it
}

/** A database that is opened by a statement. */
const later = (queried: () => Queried, meter: Meter, seen?: (meta: D1Meta) => void): Db =>
  connect(
    {
      prepare: (query) => queried().prepare(query),
      batch: (statements) => queried().batch(statements),
    },
    meter,
    seen,
  )

const answeredBy = (
  bookmark: string | undefined,
  { served_by_region: region, served_by_primary: primary }: D1Meta,
): Answered => ({
  ...(bookmark !== undefined && { bookmark }),
  ...(region !== undefined && {
    servedBy: `${region} ${primary === true ? 'primary' : 'replica'}`,
  }),
})
