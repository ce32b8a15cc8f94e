type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown
// TypeScript's library does not know yet that a reviver is told the source of a value.
const parseWith = JSON.parse as (text: string, reviver: Reviver) => unknown
// Nor that a number can be written with the digits that it has.
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => object }

const integer = /^-?\d+$/

/** Digits of which a double has not always all. */
const manyDigits = /\d{16}/

/**
 * What a text of JSON says. Whole numbers that a double cannot tell from their neighbours come as bigint; `__proto__` is a
 * name like others. Throws where the text is no JSON, or, with such numbers, nested thousands deep.
 */
export const parseJson = (text: string): unknown =>
  // A reviver takes longer, and goes less deep.
  manyDigits.test(text) ? parseWith(text, exact) : JSON.parse(text)

const exact: Reviver = (_, value, { source = '' }) =>
  typeof value === 'number' &&
  Number.isFinite(value) &&
  !Number.isSafeInteger(value) &&
  integer.test(source)
    ? BigInt(source)
    : value

/** A value as JSON, each bigint in it with all of its digits. */
export const stringifyJson = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'bigint' ? rawJSON(`${inner}`) : inner,
  )

/** A whole number as `JSON.stringify` writes it with all of its digits; for those who read the JSON, a number. */
export const jsonNumber = (digits: bigint): number => rawJSON(`${digits}`) as unknown as number // only ever written, and that as a number
