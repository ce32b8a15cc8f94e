import { count } from '../parts/figures.tsx'

/** One measure over time: a column for each moment, oldest first. */
export interface Measure {
  name: string
  columns: { label: string; value: number; tone: 'a' | 'b' | 'bad' }[]
  /** A value in words; a number with separators if not given. */
  say?: (value: number) => string
}

/** Units of the drawing: it is as wide as the page has room for. */
const [width, height, gap] = [240, 56, 2]

/** Columns under their name and the latest value; all values are said in words to who does not see them. */
export function Columns({ name, columns, say = count }: Measure) {
  const most = Math.max(1, ...columns.map(({ value }) => value))
  const step = width / Math.max(columns.length, 12)
  const last = columns.at(-1)
  const said = columns.map(({ label, value }) => `${label}: ${say(value)}`).join('; ')
  return (
    <figure class="card">
      <figcaption>
        {name} <b class="number">{last === undefined ? '–' : say(last.value)}</b>
      </figcaption>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        width="100%"
        height={height}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}. ${said}`}
      >
        <rect class="b" x="0" y={height - 1} width={width} height="1" />
        {columns.map(({ label, value, tone }, i) => {
          const tall = value === 0 ? 0 : Math.max(2, Math.round((value / most) * (height - 2)))
          return (
            <rect
              class={tone}
              x={(i * step).toFixed(1)}
              y={height - 1 - tall}
              width={(step - gap).toFixed(1)}
              height={tall}
            >
              <title>{`${label}: ${say(value)}`}</title>
            </rect>
          )
        })}
      </svg>
    </figure>
  )
}
