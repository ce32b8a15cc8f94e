import type { Experiment, WithForced } from '../../../experiments/experiments.ts'
import { shards } from '../../../experiments/shard.ts'
import { Failure, invalid } from '../../../failure.ts'
import { parseJson, stringifyJson } from '../../../json.ts'
import { refusedForm } from '../errors.tsx'
import type { Form } from '../form.ts'
import type { FormError } from '../parts/fields.tsx'

/** A row of a variant; fields of forms have the names that the JSON of a request has. */
export interface TypedVariant {
  id: string
  weight: string
  value: string
  forced: string
}

/** What somebody has typed of an experiment: shares in percent. */
export interface Typed {
  /** By the names of the fields that have one line. */
  lines: Record<Line, string>
  variants: TypedVariant[]
  /** The place of the control among the variants. */
  control: number
}

const names = [
  ...(['id', 'name', 'description', 'group_id', 'unit', 'kind', 'traffic'] as const),
  ...(['layer.id', 'layer.from', 'layer.to', 'holdout.id', 'holdout.share'] as const),
  'new_version',
] as const
type Line = (typeof names)[number]

const noVariant: TypedVariant = { id: '', weight: '', value: '', forced: '' }
const linesOf = (line: (name: Line) => string) =>
  Object.fromEntries(names.map((name) => [name, line(name)])) as Typed['lines'] // all names

const ofNew: Partial<Record<Line, string>> = { unit: 'participant', kind: 'string', traffic: '100' }

export const blank: Typed = {
  lines: linesOf((name) => ofNew[name] ?? ''),
  variants: [
    { ...noVariant, id: 'control', weight: '50' },
    { ...noVariant, weight: '50' },
  ],
  control: 0,
}

export const withRow = (typed: Typed): Typed => ({
  ...typed,
  variants: [...typed.variants, noVariant],
})

const rowsMost = 100

export function typedIn(fields: Form): Typed {
  const line = (name: string) => fields.get(name) ?? ''
  const places = Array.from({ length: rowsMost }, (_, i) => i)
  const rows = places.map((i) => ({
    place: `${i}`,
    id: line(`variants.${i}.id`),
    weight: line(`variants.${i}.weight`),
    value: line(`variants.${i}.value`),
    forced: line(`variants.${i}.forced`),
  }))
  const filled = rows.filter(
    (row) => `${row.id}${row.weight}${row.value}${row.forced}`.trim() !== '',
  )
  return {
    lines: linesOf(line),
    variants: filled.map(({ place: _, ...variant }) => variant),
    control: Math.max(
      0,
      filled.findIndex(({ place }) => place === line('control')),
    ),
  }
}

/** A share in percent, as people type it. */
export const percentOf = (share: number): string => `${(share * 100) / shards}`

export const kindOf = ({ variants: [first] }: Pick<Experiment, 'variants'>): string => {
  const type = typeof first?.value
  return type === 'bigint' ? 'number' : type
}

export function typedOf(experiment: WithForced): Typed {
  const { layer, holdout, variants, forced, control } = experiment
  const kind = kindOf(experiment)
  const line: Record<Line, string> = {
    ...{ id: experiment.id, name: experiment.name, description: experiment.description ?? '' },
    ...{ group_id: experiment.group ?? '', unit: experiment.unit ?? 'participant', kind },
    traffic: percentOf(experiment.traffic),
    'layer.id': layer?.id ?? '',
    'layer.from': layer === null ? '' : percentOf(layer.from),
    'layer.to': layer === null ? '' : percentOf(layer.to),
    'holdout.id': holdout?.id ?? '',
    'holdout.share': holdout === null ? '' : percentOf(holdout.share),
    new_version: '',
  }
  return {
    lines: line,
    variants: variants.map(({ id, from, to, value }) => ({
      ...{ id, weight: percentOf(to - from) },
      value: typeof value === 'string' ? value : stringifyJson(value),
      forced: (forced.get(id) ?? []).join('\n'),
    })),
    control: Math.max(
      0,
      variants.findIndex((variant) => variant.id === control),
    ),
  }
}

const percent = /^\d{1,3}(\.\d{1,2})?$/

/** A share as the API has it; what is no percentage is NaN, which it refuses. */
export function shardsOf(text: string): number | undefined {
  const trimmed = text.trim().replace(',', '.')
  if (trimmed === '') return undefined
  return percent.test(trimmed) ? Math.round((Number(trimmed) * shards) / 100) : Number.NaN
}

const kinds: Record<string, string> = {
  number: 'a number',
  boolean: 'true or false',
  object: 'a JSON object',
}

/** The value of a variant; undefined where none was typed. Throws `invalid`. */
function valueOf(kind: string, text: string, field: string): unknown {
  if (text.trim() === '') return undefined
  const expected = kinds[kind]
  if (expected === undefined) return text
  try {
    return parseJson(text)
  } catch {
    throw invalid(field, `must be ${expected}`)
  }
}

/** The same as the API has it; `group` is the id of the chosen group. Throws `invalid` for a value. */
export function saidBy({ lines, variants, control }: Typed, group: string | null) {
  const given = (...names: Line[]) => names.some((name) => lines[name].trim() !== '')
  const ids = variants.map(({ id }) => id.trim())
  return {
    ...{ name: lines.name, description: lines.description, group_id: group, unit: lines.unit },
    variants: variants.map(({ weight, value, forced }, i) => ({
      id: ids[i],
      weight: shardsOf(weight),
      value: valueOf(lines.kind, value, `variants.${i}.value`),
      forced: forced.split(/\r?\n/).filter((line) => line.trim() !== ''),
    })),
    control: ids[control],
    traffic: shardsOf(lines.traffic),
    layer: given('layer.id', 'layer.from', 'layer.to')
      ? {
          id: lines['layer.id'].trim(),
          from: shardsOf(lines['layer.from']),
          to: shardsOf(lines['layer.to']),
        }
      : null,
    holdout: given('holdout.id', 'holdout.share')
      ? { id: lines['holdout.id'].trim(), share: shardsOf(lines['holdout.share']) }
      : null,
  }
}

/** What is wrong with a form of an experiment, in its words: percent, and no field of JSON. */
export function refusedExperiment(error: unknown, fallback: string) {
  const refused = refusedForm(error, fallback, { layer: 'layer.id', holdout: 'holdout.id' })
  const field = refused.error.field.replace(/\.forced\.\d+$/, '.forced')
  const message = error instanceof Failure ? inPercent(error.facts, refused.error) : undefined
  return { status: refused.status, error: { field, message: message ?? refused.error.message } }
}

function inPercent(facts: Failure['facts'], { field }: FormError): string | undefined {
  if (facts.reason !== 'invalid') return undefined
  if (/whole number from 0 to/.test(facts.problem))
    return 'This must be a share of 0 to 100 %, with two decimals at most.'
  if (field === 'variants' && /sum to/.test(facts.problem))
    return 'The shares of the variants must be 100 % together.'
  if (/new_version/.test(facts.problem))
    return 'This would give people other variants. To change it, draw everybody anew (at the end).'
  return undefined
}
