import { Failure, invalid } from '../failure.ts'
import { stringifyJson } from '../json.ts'
import {
  checkValues,
  checkVariants,
  layOut,
  readForced,
  valueAfter,
  type GivenVariant,
} from './variants.ts'
import type { Experiment, Forced } from './experiments.ts'
import { shards } from './shard.ts'
import type { Variant } from './split.ts'

/** All that a client may say of an experiment, and what follows from it. */
export type Settings = Omit<
  Experiment,
  'key' | 'createdAt' | 'createdBy' | 'updatedAt' | 'updatedBy'
> & { forced: Forced }

/** What a client says of it: what is left out stays, and null removes. */
export interface ExperimentChange {
  name?: string | undefined
  description?: string | null | undefined
  group?: string | null | undefined
  unit?: string | null | undefined
  variants?: GivenVariant[] | undefined
  control?: string | undefined
  traffic?: number | undefined
  layer?: Settings['layer'] | undefined
  holdout?: Settings['holdout'] | undefined
  /** Draws all participants anew, so that all settings may change. */
  newVersion?: boolean | undefined
}

/** A change, and who requests it. */
export interface Requested {
  change: ExperimentChange
  /** The client's name. */
  by: string
  mayReadUsers: boolean
}

/** An experiment of which nothing is said yet, as a draft. */
export const blank = (id: string): Settings => ({
  ...{ id, name: '', description: null, group: null, unit: null, variants: [], control: '' },
  ...{ traffic: shards, layer: null, holdout: null, status: 'draft', version: 1 },
  forced: new Map(),
})

const or = <Value>(given: Value | undefined, before: Value): Value =>
  given === undefined ? before : given

/**
 * An experiment after a change. Throws `invalid` for a field that is wrong or that may not change
 * now: who has a variant keeps it, unless all are to be drawn anew.
 */
export function changed(
  before: Settings,
  change: ExperimentChange,
  participantMax: number,
): Settings {
  const { variants: given, newVersion = false } = change
  if (given !== undefined) {
    checkVariants(given)
    checkValues(given, before.variants)
  }
  const variants = given === undefined ? before.variants : variantsAfter(before, given, newVersion)
  const after: Settings = {
    ...before,
    name: or(change.name, before.name),
    description: or(change.description, before.description),
    group: or(change.group, before.group),
    unit: or(change.unit, before.unit),
    variants,
    forced: given === undefined ? before.forced : readForced(given, before.forced, participantMax),
    control: change.control ?? controlAfter(before, variants),
    traffic: or(change.traffic, before.traffic),
    layer: or(change.layer, before.layer),
    holdout: or(change.holdout, before.holdout),
  }
  if (!variants.some(({ id }) => id === after.control))
    throw invalid('control', 'must be the id of a variant')
  if (before.status === 'ended') checkEnded(before, after, newVersion)
  if (!isUnderWay(before)) return after
  if (newVersion) return { ...after, version: before.version + 1 }
  checkNobodyMoves(before, after)
  return after
}

/** A draft whose control is gone has another, as nobody has got its value. */
function controlAfter({ status, control }: Settings, variants: Variant[]): string {
  const [first] = variants
  const stays = status !== 'draft' || variants.some(({ id }) => id === control)
  return stays ? control : (first?.id ?? control)
}

/** Who chooses how households are drawn can tell an address from a list of guesses. Throws `forbidden`. */
export function checkMayDraw({ unit }: Pick<Settings, 'unit'>, mayReadUsers: boolean): void {
  if (unit !== null && !mayReadUsers)
    throw new Failure({ reason: 'forbidden', scope: 'users:read' })
}

/** Whether an experiment is running or paused. */
export const isUnderWay = ({ status }: Pick<Settings, 'status'>): boolean =>
  status === 'running' || status === 'paused'

/** Variants are laid out anew for a draft and for a new version; otherwise they keep their shards. */
function variantsAfter(before: Settings, given: GivenVariant[], newVersion: boolean): Variant[] {
  if (before.status === 'draft' || (isUnderWay(before) && newVersion))
    return layOut(given, before.variants)
  const places = new Map(given.map((variant, i) => [variant.id, i]))
  if (given.length !== before.variants.length) throw movesPeople('variants')
  return before.variants.map((own) => {
    const i = places.get(own.id)
    const variant = i === undefined ? undefined : given[i]
    if (variant === undefined) throw movesPeople('variants')
    if (variant.weight !== own.to - own.from) throw movesPeople(`variants.${i}.weight`)
    return { ...own, value: valueAfter(variant, before.variants) }
  })
}

const movesPeople = (field: string) =>
  invalid(
    field,
    'cannot change once the experiment has started, as participants would get other variants: ' +
      'with "new_version": true all are drawn anew, as long as it has not ended',
  )

/** Throws for a change that would take people from their variants, or give them others. */
function checkNobodyMoves(before: Settings, after: Settings): void {
  if (after.unit !== before.unit) throw movesPeople('unit')
  if (after.group !== before.group) throw movesPeople('group_id')
  if (after.layer?.id !== before.layer?.id) throw movesPeople('layer')
  if (!isSame(after.holdout, before.holdout)) throw movesPeople('holdout')
}

/** Throws for a change of an ended experiment, but of its name and description. */
function checkEnded(before: Settings, after: Settings, newVersion: boolean): void {
  const over = (field: string) => invalid(field, 'cannot change, as the experiment has ended')
  if (newVersion) throw over('new_version')
  const fields = { group: 'group_id', unit: 'unit', variants: 'variants', control: 'control' }
  const others = { traffic: 'traffic', layer: 'layer', holdout: 'holdout' }
  for (const [name, field] of Object.entries({ ...fields, ...others }))
    if (!isSame(before[name as keyof Settings], after[name as keyof Settings])) throw over(field) // its keys
  if (!isSame(listed(before.forced), listed(after.forced))) throw over('variants')
}

const isSame = (one: unknown, other: unknown) => stringifyJson(one) === stringifyJson(other)

/** Whom variants are forced on, in an order of their own. */
const listed = (forced: Forced) =>
  [...forced].flatMap(([variant, ids]) => ids.map((id) => `${id}\0${variant}`)).sort()

/** What an event says of a change: no values, and nobody's id. */
export function eventChangeOf(
  before: Settings,
  after: Settings,
): { before: object; after: object } {
  const values = (of: Settings) => of.variants.map(({ id, value }) => [id, value])
  return {
    before: settingsOf(before),
    after: {
      ...settingsOf(after),
      values_changed: !isSame(values(before), values(after)),
      forced_changed: !isSame(listed(before.forced), listed(after.forced)),
    },
  }
}

const settingsOf = ({ group, unit, variants, ...of }: Settings) => ({
  name: of.name,
  description: of.description,
  group_id: group,
  unit: unit ?? 'participant',
  variants: variants.map(({ id, from, to }) => ({ id, weight: to - from })),
  control: of.control,
  traffic: of.traffic,
  layer: of.layer,
  holdout: of.holdout,
  version: of.version,
})
