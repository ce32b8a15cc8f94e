import fc from 'fast-check'
import { faults } from './deliveries.ts'
import { file, mode, move, number, percent, place, by, step } from './safety-deeds.ts'
import type { Asked, Deed, Draft, Number, Step } from './safety-deeds.ts'
import type { Move } from './safety-model.ts'

const plain = (deed: Deed): Step => ({ how: 'plain', deed })
const goesOn = (place: number): Step => plain({ what: 'goes on', place, pick: null })

/** Something is held, and two decide about it, at once or one of them late. */
const race: fc.Arbitrary<Step[]> = fc
  .record({
    ...{ place, file, percent, one: fc.tuple(move, number), two: fc.tuple(move, number) },
    late: fc.option(fc.nat(6), { freq: 1 }),
    fault: fc.option(faults(fc.nat(8)), { freq: 1 }),
  })
  .map(({ place, file, percent, one, two, late, fault }) => {
    const upload = { ...{ place, file, percent, by: 0 }, mode: 'preview', isKeyed: false } as const
    const [deed, other] = [one, two].map(
      ([move, number], by) => ({ what: 'decides', place, pick: 1, move, number, by }) as const,
    ) as [Deed, Deed] // of a pair
    const meets: Step =
      late === null
        ? { how: 'at once', deed, other, fault }
        : { how: 'late', deed, other, at: late }
    return [plain({ what: 'uploads', ...upload }), goesOn(place), goesOn(place), meets]
  })

/** A large file in two pieces, the second of which may die and be sent again. */
const pieces: fc.Arbitrary<Step[]> = fc
  .record({ place, file, mode, fault: faults(fc.nat(9)) })
  .map(({ place, file, mode, fault }) => [
    plain({
      ...{ what: 'creates', place, mode, percent: null, by: 0, isKeyed: true, isLarge: true },
      file: { ...file, count: 130 },
    }),
    plain({ what: 'sends', pick: 0, amount: 'part', off: 0 }),
    { how: 'dies', deed: { what: 'sends', pick: 0, amount: 'rest', off: 0 }, fault, again: true },
    goesOn(place),
  ])

/** One request twice with its key, at once or one of them late. */
const twins: fc.Arbitrary<Step[]> = fc
  .record({
    ...{ place, file, percent, mode, isRevert: fc.boolean() },
    late: fc.option(fc.nat(8), { freq: 1 }),
    fault: fc.option(faults(fc.nat(8)), { freq: 1 }),
  })
  .map(({ place, file, percent, mode, isRevert, late, fault }) => {
    const asked = { place, percent, mode, by: 0, isKeyed: true }
    const deed: Deed = isRevert
      ? { what: 'reverts', ...asked }
      : { what: 'uploads', file, ...asked }
    return late === null
      ? [{ how: 'at once', deed, other: 'same', fault }]
      : [{ how: 'late', deed, other: 'same', at: late }]
  })

/** Two reverts one behind the other, of which the first decides what the second finds. */
const reverts: fc.Arbitrary<Step[]> = fc
  .record({ place, modes: fc.tuple(mode, mode), percent, by, last: fc.nat(1) })
  .map(({ place, modes, percent, by, last }) => [
    ...modes.map((mode) => plain({ what: 'reverts', place, mode, percent, by, isKeyed: false })),
    ...[goesOn(place), goesOn(place)].slice(last),
  ])

export const histories = fc
  .array(
    fc.oneof(
      { weight: 9, arbitrary: step.map((one) => [one]) },
      ...[race, reverts, twins].map((arbitrary) => ({ weight: 2, arbitrary })),
      { weight: 1, arbitrary: pieces },
    ),
    { maxLength: 14, size: 'max' },
  )
  .map((chains) => chains.flat())

const some = { place: 0, mode: 'apply', percent: null, by: 0, isKeyed: true } as const
const people = (from: number, count: number, badRows = 0) => ({
  from,
  count,
  others: [3, 3],
  badRows,
})
const uploads = (type: Draft['type'], file: Omit<Draft, 'type'>, more: Partial<Asked> = {}): Step =>
  plain({ what: 'uploads', file: { type, ...file }, ...some, ...more })
const decides = (move: Move, number: Number, by = 0): Deed => ({
  ...{ what: 'decides', place: 0, pick: 1, move, number, by },
})
const on = goesOn(0)

/** A group of many, and a revision before. */
export const start: Step[] = [
  uploads('ADD', people(0, 110)),
  on,
  uploads('REPLACE', people(20, 110, 2)),
  on,
]

const gives = plain({ what: 'gives up', place: 0, pick: null })
const guards = (percent: number | null) => plain({ what: 'guards', place: 0, percent, by: 1 })
const preview = { mode: 'preview' } as const
const reverts0 = (mode: 'apply' | 'preview'): Step => plain({ what: 'reverts', ...some, mode })
const small: Deed = { what: 'uploads', file: { type: 'ADD', ...people(0, 3) }, ...some }

/** One of each kind, so that each is reached. */
export const everyKind: Step[] = [
  ...[uploads('ADD', { ...people(0, 0, 2), others: [] }), on],
  ...[uploads('REPLACE', people(0, 3, 40)), on],
  // The guard holds it.
  guards(20),
  ...[uploads('REMOVE', people(0, 60)), on, gives],
  ...(['none', 'wrong', 'right'] as const).map((number) => plain(decides('publish', number))),
  guards(null),
  // One job waits for another, about which two decide.
  ...[uploads('ADD', people(0, 130), preview), uploads('ADD', people(5, 3)), on],
  plain(decides('cancel', 'none', 2)),
  {
    ...{ how: 'at once', fault: null },
    ...{ deed: decides('publish', 'right'), other: decides('cancel', 'none', 1) },
  },
  ...[on, on, uploads('ADD', people(0, 130)), on],
  ...[uploads('REPLACE', people(0, 110), { percent: 0 }), on, plain(decides('cancel', 'none')), on],
  // The second revert finds that the first is live.
  ...[reverts0('apply'), reverts0('apply'), on, on],
  ...[reverts0('preview'), on, plain(decides('publish', 'right', 1)), reverts0('apply'), on],
  ...[uploads('ADD', people(0, 130)), gives, on],
  ...[uploads('ADD', people(0, 130)), plain(decides('cancel', 'none')), on],
  uploads('ADD', people(0, 130)),
  // It is cancelled, but its answer is lost.
  { how: 'dies', deed: decides('cancel', 'none'), fault: { at: 2, when: 'before' }, again: true },
  { how: 'dies', deed: small, fault: { at: 0, when: 'before' }, again: true },
  { how: 'dies', deed: small, fault: { at: 4, when: 'after' }, again: true },
  { how: 'at once', deed: small, other: 'same', fault: null },
  ...[plain({ what: 'repeats', pick: 0 }), plain({ what: 'prunes', place: 0 })],
  plain({ what: 'creates', file: { type: 'ADD', ...people(0, 130) }, ...some, isLarge: true }),
  ...(['short', 'part', 'too much', 'rest'] as const).map((amount) =>
    plain({ what: 'sends', pick: 0, amount, off: 0 }),
  ),
  on,
]
