const digits = new Intl.NumberFormat('en')

/** A number with thin separators. */
export const count = (value: number): string => digits.format(value).replaceAll(',', '\u202f')

/** `1 row`, `2 rows`. */
export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`

export const Count = ({ of }: { of: number }) => <span class="count">{count(of)}</span>

const units = [
  ['year', 31_557_600_000],
  ['month', 2_629_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** How long ago a moment is, or how far ahead. */
export function ago(at: number, now: number): string {
  const unit = units.find(([, length]) => Math.abs(now - at) >= length)
  return unit === undefined
    ? 'just now'
    : relative.format(Math.trunc((at - now) / unit[1]), unit[0])
}

/** A moment: relative, with the exact one on hover, which the browser shows in the reader's zone. */
export const When = ({ at, now }: { at: number; now: number }) => (
  <time datetime={new Date(at).toISOString()} title={new Date(at).toUTCString()}>
    {ago(at, now)}
  </time>
)
