import { connect, type Db, type Meter, type Queried } from './connect.ts'

/** Which state of the database the last statement of a request saw, and who answered it. */
export interface Answered {
  bookmark?: string
  /** Its region, and whether it is the primary. */
  servedBy?: string
}

export interface Databases {
  primary: Db
  /** The nearest replica; the primary once the request has asked that. */
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
  const nearest = bookmarks.test(bookmark) ? bookmark : 'first-primary'
  const primary = once(() => d1.withSession('first-primary'))
  const replica = once(() => d1.withSession(bookmark === '' ? 'first-unconstrained' : nearest))
  let last: { session: D1DatabaseSession; meta: D1Meta } | undefined
  const followed = (session: () => D1DatabaseSession) =>
    later(session, meter, (meta) => (last = { session: session(), meta }))
  return {
    primary: followed(primary),
    replica: followed(() => (primary.begun() ? primary() : replica())),
    answered: () => (last === undefined ? {} : answeredBy(last.session.getBookmark(), last.meta)),
  }
}

function once<T>(make: () => T) {
  let made: { it: T } | undefined
  return Object.assign(() => (made ??= { it: make() }).it, { begun: () => made !== undefined })
}

/** A database that is opened by its first statement. */
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
  bookmark: string | null,
  { served_by_region: region, served_by_primary: primary }: D1Meta,
): Answered => ({
  ...(bookmark !== null && { bookmark }),
  ...(region !== undefined && {
    servedBy: `${region} ${primary === true ? 'primary' : 'replica'}`,
  }),
})
