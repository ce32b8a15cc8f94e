type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
// TypeScript's library lacks the third parameter of a reviver.
const parseWith = JSON.parse as (text: string, reviver: Reviver) => unknown
// And `rawJSON`.
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => object }

const integer = /^-?\d+$/

/** More digits than a double is sure to have. */
const manyDigits = /\d{16}/

/** Characters of a number that is read: the largest double has 309 digits. */
export const numberMax = 400

/**
 * Parses JSON with whole numbers beyond a double as bigint, and numbers longer than `numberMax` as
 * NaN, which no JSON has. Throws where the text is no JSON, or has such numbers and is nested thousands
 * deep.
 */
export const parseJson = (text: string): unknown =>
  // A reviver takes longer, and recurses.
  manyDigits.test(text) ? parseWith(text, exact) : JSON.parse(text)

const exact: Reviver = (_, value, { source = '' }) => {
  if (typeof value !== 'number') return value
  if (source.length > numberMax) return Number.NaN
  const isInexact = Number.isFinite(value) && !Number.isSafeInteger(value)
  return isInexact && integer.test(source) ? BigInt(source) : value
}

/** A value as JSON, each bigint in it with all of its digits. */
export const stringifyJson = (value: unknown, indent = 0): string =>
  JSON.stringify(
    value,
    (_, inner: unknown) => (typeof inner === 'bigint' ? rawJSON(`${inner}`) : inner),
    indent,
  )

/** A number that `JSON.stringify` writes with all of its digits. */
export const jsonNumber = (digits: bigint): number => rawJSON(`${digits}`) as unknown as number // only ever written
