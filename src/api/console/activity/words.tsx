import type { EventRecord } from '../../../webhooks/record.ts'

/** Which events are listed. */
export interface Filters {
  /** Of the things that events are about. */
  kind: string
  /** Days, both included. */
  from: string
  until: string
  /** A client's id. */
  actor: string
  /** A kind, a colon and an id. */
  object: string
  after: string
}

export const path = '/console/activity'

/** The address of the list with these filters. */
export function addressOf(filters: Partial<Filters>, below = ''): string {
  const given = Object.entries(filters).filter(([, value]) => value !== '')
  const query = String(new URLSearchParams(given))
  return query === '' ? path + below : `${path}${below}?${query}`
}

/** `group.participants.changed` in plain words. */
export function nameOf(type: string): string {
  const words = type.replaceAll('.', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

interface OfEvent {
  of: EventRecord
  filters: Partial<Filters>
}

export function About({ of: { object, data }, filters }: OfEvent) {
  if (object === null) return <span class="soft">many people</span>
  const { kind, id } = object
  const name = typeof data['name'] === 'string' ? data['name'] : undefined
  return (
    <a href={addressOf({ ...filters, object: `${kind}:${id}` })} title={id}>
      {kind} <bdi>{name ?? shortId(id)}</bdi>
    </a>
  )
}

const shortId = (id: string) => (id.length > 24 ? `${id.slice(0, 8)}…` : id)

export function By({ of: { actor }, filters }: OfEvent) {
  if (actor === null) return <span class="soft">not known</span>
  if (actor.client_id === null) return <bdi>{actor.name}</bdi>
  return (
    <a href={addressOf({ ...filters, actor: actor.client_id })} title={`Client ${actor.client_id}`}>
      <bdi>{actor.name}</bdi>
    </a>
  )
}

export const changesOf = ({
  change,
}: EventRecord): [field: string, before: unknown, after: unknown][] =>
  Object.keys({ ...change?.before, ...change?.after }).map((field) => [
    field,
    change?.before[field],
    change?.after[field],
  ])

/** A value as people read it. */
export function said(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'nothing'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
