import { z } from 'zod'
import { jsonNumber } from '../../../json.ts'

export const AttributeValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])
export const Attributes = z.record(z.string(), AttributeValue)

/** A value in JSON: whole numbers keep all of their digits. */
export const showValue = <Value>(value: Value): Exclude<Value, bigint> | number =>
  typeof value === 'bigint' ? jsonNumber(value) : (value as Exclude<Value, bigint>) // narrowed by typeof

/** The same for values at any depth. */
export function showExact(inside: unknown): unknown {
  if (Array.isArray(inside)) return inside.map(showExact)
  if (typeof inside !== 'object' || inside === null) return showValue(inside)
  return Object.fromEntries(Object.entries(inside).map(([key, value]) => [key, showExact(value)]))
}

/** A time in a request. */
export const Time = z.iso.datetime({
  offset: true,
  error: 'must be a time such as 2026-11-24T03:00:00Z',
})

export const date = (ms: number) => new Date(ms).toISOString()
export const dateOrNull = (ms: number | null) => (ms === null ? null : date(ms))
