import { count } from '../parts/figures.tsx'

/** A part of a whole as a bar; the number stands beside it. */
export const ShareBar = ({ part, of }: { part: number; of: number }) => (
  <svg class="share" width="100%" height="12" aria-hidden="true">
    <rect class="rest" width="100%" height="12" rx="3" />
    <rect
      class="a"
      width={`${of === 0 ? 0 : Math.round((part / of) * 10_000) / 100}%`}
      height="12"
      rx="3"
    />
  </svg>
)

interface DayCount {
  day: string
  number: number
}

const height = 48

/** Numbers by day as columns; all charts of one `most` have one scale. */
export function DayColumns({
  label,
  days,
  most,
}: {
  label: string
  days: DayCount[]
  most: number
}) {
  const path = days.map(({ number }, i) => {
    const top = number === 0 ? 0 : Math.max(1, Math.round((number / most) * height))
    return `M${i * 10 + 1} ${height}v-${top}h8v${top}z`
  })
  const told = days.map(({ day, number }) => `${day} ${count(number)}`).join(', ')
  return (
    <svg
      class="columns"
      role="img"
      width="100%"
      height={height}
      viewBox={`0 0 ${Math.max(days.length, 14) * 10} ${height}`}
      preserveAspectRatio="none"
      aria-label={`${label} by day: ${told}`}
    >
      <path class="a" d={path.join('')} />
    </svg>
  )
}
