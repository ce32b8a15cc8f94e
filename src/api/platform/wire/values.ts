import { z } from 'zod'
import { jsonNumber } from '../../../json.ts'

export const AttributeValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])
export const Attributes = z.record(z.string(), AttributeValue)

/** A value as an answer has it: whole numbers with all of their digits. */
export const showValue = <Value>(value: Value): Exclude<Value, bigint> | number =>
  typeof value === 'bigint' ? jsonNumber(value) : (value as Exclude<Value, bigint>) // which it is, or is not

/** The same wherever such numbers stand in it. */
export function showExact(inside: unknown): unknown {
  if (Array.isArray(inside)) return inside.map(showExact)
  if (typeof inside !== 'object' || inside === null) return showValue(inside)
  return Object.fromEntries(Object.entries(inside).map(([key, value]) => [key, showExact(value)]))
}

export const date = (ms: number) => new Date(ms).toISOString()
export const dateOrNull = (ms: number | null) => (ms === null ? null : date(ms))
