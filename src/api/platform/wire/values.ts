import { z } from 'zod'

export const AttributeValue = z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])
export const Attributes = z.record(z.string(), AttributeValue)

export const date = (ms: number) => new Date(ms).toISOString()
export const dateOrNull = (ms: number | null) => (ms === null ? null : date(ms))
