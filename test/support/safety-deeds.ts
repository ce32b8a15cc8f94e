import fc from 'fast-check'
import { faults } from './deliveries.ts'
import type { Fault } from './hazard.ts'
import type { Move } from './safety-model.ts'

// What may happen to groups of two workspaces, and how.

/** Who of a file's rows: so many from one on, and some more, which may repeat. */
export interface Draft {
  type: 'ADD' | 'REMOVE' | 'REPLACE'
  from: number
  count: number
  others: number[]
  badRows: number
}

type Mode = 'apply' | 'preview'
export interface Asked {
  /** Which group; the third one is in the other workspace. */
  place: number
  mode: Mode
  percent: number | null
  /** Which of the clients of its workspace. */
  by: number
  isKeyed: boolean
}

export type Deed =
  | ({ what: 'uploads'; file: Draft } & Asked)
  | ({ what: 'creates'; file: Draft; isLarge: boolean } & Asked)
  | ({ what: 'reverts' } & Asked)
  | { what: 'sends'; pick: number; amount: 'rest' | 'part' | 'short' | 'too much'; off: number }
  | { what: 'guards'; place: number; percent: number | null; by: number }
  | { what: 'decides'; place: number; pick: number; move: Move; number: Number; by: number }
  /** The same request as before, with the same key. */
  | { what: 'repeats'; pick: number }
  /** A message about the first job that has not ended, or any other. */
  | { what: 'goes on'; place: number; pick: number | null }
  | { what: 'message'; pick: number }
  | { what: 'gives up'; place: number; pick: number | null }
  | { what: 'prunes'; place: number }

export type Number = 'right' | 'wrong' | 'none'

export type Step =
  | { how: 'plain'; deed: Deed }
  /** One of its calls fails; who has asked asks again, or does not. */
  | { how: 'dies'; deed: Deed; fault: Fault; again: boolean }
  | { how: 'at once'; deed: Deed; other: Deed | 'same'; fault: Fault | null }
  /** It sleeps before a call while another is done. */
  | { how: 'late'; deed: Deed; other: Deed | 'same'; at: number }

export const place = fc.constantFrom(0, 0, 0, 0, 1, 1, 2)
export const by = fc.nat(2)
export const percent = fc.constantFrom(null, null, 0, 20, 60, 100)
export const mode = fc.constantFrom<Mode>('apply', 'apply', 'preview')
const asked = { place, mode, percent, by, isKeyed: fc.boolean() }
const what = <What extends string>(name: What) => fc.constant(name)
const first = fc.option(fc.nat(20), { freq: 3 }).map((pick) => pick)

export const file: fc.Arbitrary<Draft> = fc.record({
  type: fc.constantFrom('ADD', 'ADD', 'REMOVE', 'REPLACE'),
  from: fc.nat(149),
  count: fc.constantFrom(0, 3, 30, 110, 130),
  others: fc.array(fc.nat(149), { maxLength: 8, size: 'max' }),
  badRows: fc.constantFrom(0, 0, 0, 2, 40),
})
export const move = fc.constantFrom<Move>('publish', 'publish', 'cancel')
export const number = fc.constantFrom<Number>('right', 'right', 'wrong', 'none')
const amount = fc.constantFrom(
  'rest' as const,
  'rest' as const,
  'part' as const,
  'short' as const,
  'too much' as const,
)

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ what: what('uploads'), file, ...asked }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ what: what('creates'), file, ...asked },
      isLarge: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: what('sends'),
      pick: fc.nat(3),
      amount,
      off: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: what('reverts'), ...asked }) },
  { weight: 1, arbitrary: fc.record({ what: what('guards'), place, percent, by }) },
  {
    weight: 6,
    arbitrary: fc.record({ what: what('decides'), place, pick: fc.nat(20), move, number, by }),
  },
  { weight: 2, arbitrary: fc.record({ what: what('repeats'), pick: fc.nat(20) }) },
  { weight: 10, arbitrary: fc.record({ what: what('goes on'), place, pick: first }) },
  { weight: 2, arbitrary: fc.record({ what: what('message'), pick: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ what: what('gives up'), place, pick: first }) },
  { weight: 1, arbitrary: fc.record({ what: what('prunes'), place }) },
)

const other = fc.oneof({ weight: 1, arbitrary: what('same') }, { weight: 3, arbitrary: deed })

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ how: what('plain'), deed }) },
  {
    weight: 5,
    arbitrary: fc.record({
      how: what('dies'),
      deed,
      fault: faults(fc.nat(14)),
      again: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      how: what('at once'),
      deed,
      other,
      fault: fc.option(faults(fc.nat(8)), { freq: 1 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ how: what('late'), deed, other, at: fc.nat(14) }) },
)
