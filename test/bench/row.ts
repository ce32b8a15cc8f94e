/** One figure of the bench beside its baseline. */
export interface Row {
  figure: string
  measured: number
  beside: string
  baseline: number
  unit: 's' | 'ms' | 'µs' | 'MiB' | 'rows' | '/s'
  /** What the goal limits: measured / baseline, measured - baseline, or measured alone. */
  by: 'ratio' | 'difference' | 'itself'
  /** The goal, if there is one: at most this, or at least. */
  most?: number
  least?: number
  /** What one should know of the figure. */
  note?: string
}

export function valueOf({ measured, baseline, by }: Row): number {
  return by === 'ratio' ? measured / baseline : by === 'difference' ? measured - baseline : measured
}

/** Undefined where there is no goal. */
export function meets(row: Row): boolean | undefined {
  if (row.most !== undefined) return valueOf(row) <= row.most
  return row.least === undefined ? undefined : valueOf(row) >= row.least
}

/** All rows as a table of text, with notes below it. */
export function table(rows: Row[]): string {
  const lines = [
    ['', 'measured', 'beside', '', 'compared', 'goal', ''],
    ...rows.map((row) => {
      const { figure, measured, beside, baseline, unit, by } = row
      const compared = by === 'ratio' ? '×' : unit
      const sign = by === 'difference' && valueOf(row) > 0 ? '+' : ''
      return [
        figure,
        `${short(measured)} ${unit}`,
        beside,
        `${short(baseline)} ${unit}`,
        `${sign}${short(valueOf(row))} ${compared}`,
        goalOf(row, compared),
        { true: 'met', false: 'MISSED', undefined: '' }[`${meets(row)}`],
      ]
    }),
  ]
  const widths = lines.reduce<number[]>(
    (known, line) => line.map((cell, i) => Math.max(known[i] ?? 0, cell.length)),
    [],
  )
  const left = new Set([0, 2, 6])
  const pad = (cell: string, i: number) =>
    left.has(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)
  const notes = new Set(rows.flatMap(({ note = [] }) => note))
  return [
    ...lines.map((line) => line.map(pad).join('  ').trimEnd()),
    ...[...notes].map((note) => `\n${note}`),
  ].join('\n')
}

const goalOf = ({ most, least }: Row, compared: string) =>
  most !== undefined ? `≤ ${most} ${compared}` : least !== undefined ? `≥ ${least} ${compared}` : ''

const short = (value: number) => value.toFixed(Math.abs(value) < 100 ? 2 : 0)

/** The middle one, or the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = (sorted.length - 1) / 2
  return ((sorted[Math.floor(half)] ?? NaN) + (sorted[Math.ceil(half)] ?? NaN)) / 2
}

/** The least value that so many percent of all do not exceed. */
export function percentile(values: number[], percent: number): number {
  return (
    values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil((values.length * percent) / 100) - 1)] ??
    NaN
  )
}
