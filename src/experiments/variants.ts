import { invalid } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import { readId } from '../text.ts'
import type { Forced } from './experiments.ts'
import { shards } from './shard.ts'
import type { VariantValue, Variant } from './split.ts'

/** A variant as a client gives it. */
export interface GivenVariant {
  id: string
  /** Shards of the split. */
  weight: number
  /** JSON; left out: as before, or else the variant's id. */
  value?: unknown
  /** Participants; left out: as before. */
  forced?: string[] | undefined
}

/** Bytes of all values of an experiment as JSON, and levels of objects and lists in one. */
const valueBytesMax = 16 * 1024
const valueDepthMax = 100

const encoder = new TextEncoder()

/** Checks the variants of a request by themselves. Throws `invalid`. */
export function checkVariants(given: GivenVariant[]): void {
  const ids = new Set<string>()
  for (const [i, { id }] of given.entries()) {
    if (ids.has(id)) throw invalid(`variants.${i}.id`, 'is the id of another variant')
    ids.add(id)
  }
  const sum = given.reduce((total, { weight }) => total + weight, 0)
  if (sum !== shards) throw invalid('variants', `must have weights that sum to ${shards}`)
}

/** Variants with ranges in their order, which cover all shards. */
export function layOut(given: GivenVariant[], before: readonly Variant[]): Variant[] {
  let to = 0
  return given.map((variant) => {
    const from = to
    to += variant.weight
    return { id: variant.id, from, to, value: valueAfter(variant, before) }
  })
}

/** The value of a variant after a change; `checkValues` has checked its type. */
export const valueAfter = ({ id, value }: GivenVariant, before: readonly Variant[]): VariantValue =>
  (value as VariantValue | undefined) ?? before.find((variant) => variant.id === id)?.value ?? id

/**
 * Checks values: of one type, which they had before if there was any. Throws `invalid`, by the
 * place of a variant in the request.
 */
export function checkValues(given: GivenVariant[], before: readonly Variant[]): void {
  const [first] = before
  let type = first && typeOf(first.value)
  for (const [i, variant] of given.entries()) {
    const field = `variants.${i}.value`
    const value = variant.value === null ? null : valueAfter(variant, before)
    const own = typeOf(value)
    if (own === undefined)
      throw invalid(field, 'must be a string, a number, a boolean or an object')
    type ??= own
    if (own !== type)
      throw invalid(field, `must be of type ${type}, which all values of an experiment have`)
    const problem = problemWithin(value)
    if (problem !== undefined) throw invalid(field, problem)
  }
  const values = given.map((variant) => valueAfter(variant, before))
  if (encoder.encode(stringifyJson(values)).length > valueBytesMax)
    throw invalid('variants', `cannot have values of more than ${valueBytesMax} bytes together`)
}

type ValueType = 'string' | 'number' | 'boolean' | 'object'

function typeOf(value: unknown): ValueType | undefined {
  if (value === null || Array.isArray(value)) return undefined
  const type = typeof value
  if (type === 'bigint') return 'number'
  return type === 'string' || type === 'number' || type === 'boolean' || type === 'object'
    ? type
    : undefined
}

/** Why a value cannot be shown again as it was given. */
function problemWithin(value: unknown, depth = 0): string | undefined {
  if (typeof value === 'number' && !Number.isFinite(value))
    return 'cannot have a number beyond what a double takes, or of more than 400 characters'
  if (typeof value !== 'object' || value === null) return undefined
  if (depth === valueDepthMax) return `cannot be more than ${valueDepthMax} levels deep`
  for (const inner of Object.values(value)) {
    const problem = problemWithin(inner, depth + 1)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Whom the variants are forced on after a change, by ids as files have them. Throws `invalid`. */
export function readForced(given: GivenVariant[], before: Forced, participantMax: number): Forced {
  const into = new Map<string, string>()
  for (const { id, forced } of given)
    if (forced === undefined)
      for (const participant of before.get(id) ?? []) into.set(participant, id)
  for (const [i, { id, forced = [] }] of given.entries())
    for (const [j, text] of forced.entries()) {
      const field = `variants.${i}.forced.${j}`
      const read = readId(text, participantMax)
      if ('problem' in read) throw invalid(field, 'is no id that a participant can have')
      const other = into.get(read.id)
      if (other !== undefined) throw invalid(field, `is forced into the variant ${other} already`)
      into.set(read.id, id)
    }
  return new Map(
    [...Map.groupBy(into, ([, variant]) => variant)].map(([variant, pairs]): [string, string[]] => [
      variant,
      pairs.map(([participant]) => participant),
    ]),
  )
}
