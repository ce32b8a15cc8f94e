import { count } from '../parts/figures.tsx'

/** The line of some numbers in a box, from zero up. */
function pathOf(values: number[], width: number, height: number): string {
  const most = Math.max(1, ...values)
  const step = width / Math.max(1, values.length - 1)
  const y = (value: number) => (height - 1 - ((height - 2) * value) / most).toFixed(1)
  return values
    .map((value, i) => `${i === 0 ? 'M' : 'L'}${(i * step).toFixed(1)} ${y(value)}`)
    .join('')
}

const changes = (values: number[]) => {
  const made = values.length - 1
  return made === 1 ? 'the last change' : `the last ${count(made)} changes`
}

/** How many a group had, beside its name; nothing where it never changed. */
export function Sparkline({ values }: { values: number[] | undefined }) {
  const [first] = values ?? []
  const last = values?.at(-1)
  if (values === undefined || first === undefined || last === undefined || values.length < 2)
    return <></>
  const label = `From ${count(first)} to ${count(last)} in ${changes(values)}`
  return (
    <svg class="sparkline" role="img" aria-label={label} width="96" height="24" viewBox="0 0 96 24">
      <title>{label}</title>
      <path class="line" d={pathOf(values, 96, 24)} />
    </svg>
  )
}

/** How many a group had after each of its last changes. */
export function CountsChart({ values }: { values: number[] }) {
  const [first = 0] = values
  const label = `Participants after each of ${changes(values)}: ${values.map(count).join(', ')}`
  return (
    <figure>
      <svg
        class="wide"
        role="img"
        aria-label={label}
        width="600"
        height="120"
        viewBox="0 0 600 120"
        preserveAspectRatio="none"
      >
        <path class="line" vector-effect="non-scaling-stroke" d={pathOf(values, 600, 120)} />
      </svg>
      <figcaption class="help">
        {`From ${count(first)} to ${count(values.at(-1) ?? 0)} in ${changes(values)}, `}
        {`${count(Math.max(...values))} at most.`}
      </figcaption>
    </figure>
  )
}
