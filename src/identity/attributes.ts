import type { valueTypes } from '../db/schema.ts'
import { Failure } from '../failure.ts'
import { numberMax } from '../json.ts'
import { canonical, folded, foldedBeyondAscii, isTooLong } from '../text.ts'

/** A bigint is a whole number whose digits a double would change. */
export type Value = string | number | bigint | boolean | string[]
export type ValueType = (typeof valueTypes)[number]

/** A value as it is stored: its text as it was sent, and its type. */
export interface StoredValue {
  text: string
  type: ValueType
}

/** The columns of a value in `user_attributes`. */
export interface ValueColumns {
  value: string
  sent: string | null
  folded: string | null
}

export function columnsOfText(text: string): ValueColumns {
  const value = canonical(text)
  return { value, sent: value === text ? null : text, folded: foldedBeyondAscii(text) }
}

export function columnsOf({ text, type }: StoredValue): ValueColumns {
  if (type === 'string') return columnsOfText(text)
  const hasFolded = type === 'list' && foldedBeyondAscii(text) !== null
  return {
    value: text,
    sent: null,
    folded: hasFolded ? JSON.stringify(itemsOf(text).map(folded)) : null,
  }
}

const itemsOf = (list: string) => JSON.parse(list) as string[] // only `readValue` writes it

/** The new value of one attribute; null deletes it. */
export interface Change {
  name: string
  to: StoredValue | null
}

/** Limits of a user's attributes: lengths in characters. */
const attributesMax = 100
export const nameMax = 256
export const valueMax = 4096
export const itemsMax = 1000
const itemMax = 512

/**
 * Reads an object of attributes. Throws `required`, `invalid`, or `attribute-refused` with a name,
 * also for a text with U+0000, at which SQLite would cut it.
 */
export function readAttributes(given: unknown): Change[] {
  if (given === undefined) throw new Failure({ reason: 'required', field: 'user_attributes' })
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Failure({ reason: 'invalid', field: 'user_attributes', problem: 'must be an object' })
  const entries = Object.entries(given)
  if (entries.length > attributesMax)
    throw new Failure({
      reason: 'attribute-refused',
      name: undefined,
      problem: `cannot be more than ${attributesMax}`,
    })
  return entries.map(([name, value]) => ({
    name: readName(name),
    to: value === null ? null : readValue(name, value),
  }))
}

/** The name of an attribute as it is stored. Throws as `readAttributes` does. */
export function readName(name: string): string {
  if (name === '') throw refused(name, 'must have a name')
  if (isTooLong(name, nameMax))
    throw refused(`${name.slice(0, 50)}…`, `must have a name of at most ${nameMax} characters`)
  return readText(name, name)
}

function readValue(name: string, value: unknown): StoredValue {
  if (typeof value === 'boolean') return { text: String(value), type: 'boolean' }
  if (typeof value === 'bigint') return { text: String(value), type: 'number' }
  if (typeof value === 'number') {
    if (Number.isNaN(value))
      throw refused(name, `cannot be a number of over ${numberMax} characters`)
    if (!Number.isFinite(value)) throw refused(name, 'must be a finite number')
    return { text: String(value), type: 'number' }
  }
  if (typeof value === 'string') {
    if (isTooLong(value, valueMax)) throw refused(name, `cannot exceed ${valueMax} characters`)
    return { text: readText(name, value), type: 'string' }
  }
  if (!Array.isArray(value))
    throw refused(name, 'must be a string, a number, a boolean, null or a list of strings')
  return { text: JSON.stringify(readList(name, value)), type: 'list' }
}

function readList(name: string, list: unknown[]): string[] {
  if (list.length > itemsMax) throw refused(name, `cannot have more than ${itemsMax} items`)
  return list.map((item) => {
    if (typeof item !== 'string') throw refused(name, 'must be a list of strings')
    if (isTooLong(item, itemMax))
      throw refused(name, `cannot have an item of more than ${itemMax} characters`)
    return readText(name, item)
  })
}

function readText(name: string, text: string): string {
  if (text.includes('\0')) throw refused(name, 'cannot contain U+0000')
  return text.toWellFormed()
}

const refused = (name: string, problem: string) =>
  new Failure({ reason: 'attribute-refused', name, problem })

/** A stored value as it was given. */
export function valueOf({ text, type }: StoredValue): Value {
  if (type === 'number') return numberOf(String(text)) // a number where SQLite computed it
  if (type === 'boolean') return text === 'true'
  return type === 'list' ? itemsOf(text) : text
}

const numberOf = (text: string): number | bigint =>
  /^-?\d+$/.test(text) && String(Number(text)) !== text ? BigInt(text) : Number(text)

/** Characters of a user's id at most. */
export const userMax = 64
