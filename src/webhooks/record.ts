import type { Actor } from '../actor.ts'

/** An event as it is stored. */
export interface PastEvent {
  key: number
  id: string
  type: string
  at: number
  data: object
  /** Null for events from before actors were kept. */
  actor: Actor | null
  objectKind: string | null
  objectId: string | null
  change: Record<'before' | 'after', Record<string, unknown>> | null
}

/** An event as it is shown and exported. */
export type EventRecord = ReturnType<typeof recordOf>

/**
 * An event as it is shown. Digests are over these fields in this order: to change either makes all
 * earlier digests wrong.
 */
export const recordOf = ({
  id,
  type,
  at,
  data,
  actor,
  objectKind,
  objectId,
  change,
}: PastEvent) => ({
  id,
  type,
  timestamp: new Date(at).toISOString(),
  data: data as Record<string, unknown>, // only objects are written
  actor: actor === null ? null : { client_id: actor.client ?? null, name: actor.name },
  transaction_id: actor?.transaction ?? null,
  object: objectKind === null || objectId === null ? null : { kind: objectKind, id: objectId },
  change,
  address_family: actor?.family ?? null,
  method: actor?.method ?? null,
})

/** The line of an event in an export: JSON without blanks, and a line feed. */
export const lineOf = (event: PastEvent): string => `${JSON.stringify(recordOf(event))}\n`
