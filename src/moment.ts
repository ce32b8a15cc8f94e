import { trimmed } from './text.ts'

const iso =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?)?$/

/**
 * Milliseconds since 1970 of a date or date-time in the extended format of ISO 8601, UTC without an
 * offset; undefined for other texts. The views of readings agree.
 */
export function momentOf(text: string): number | undefined {
  const found = iso.exec(trimmed(text))
  if (found === null) return undefined
  const [year, month, day, hour, minute, second] = found
    .slice(1, 7)
    .map((part = '0') => Number(part)) as [number, number, number, number, number, number] // six groups
  const [fraction = '0', sign, offsetHours = '0', offsetMinutes = '0'] = found.slice(7)
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  if (Number(offsetHours) > 14 || Number(offsetMinutes) > 59) return undefined
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * (sign === '-' ? -1 : 1)
  const milliseconds = Math.floor((second + Math.min(0.999, Number(`0.${fraction}`))) * 1000 + 0.5)
  const at = date.getTime() + (hour * 60 + minute - offset) * 60_000 + milliseconds
  return at > yearsEnd ? undefined : at
}

// SQLite has no years of five digits.
const yearsEnd = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
