import fc from 'fast-check'
import type { Fault } from './hazard.ts'

/** What happens next to the message of one of the jobs, which `pick` chooses. */
export type Delivery =
  | { what: 'delivered'; pick: number }
  | { what: 'twice at once'; pick: number }
  | { what: 'dies'; pick: number; fault: Fault }
  | { what: 'fails for good'; pick: number }

const pick = fc.nat(7)
const what = <What extends Delivery['what']>(name: What) => fc.constant(name)

const when = fc.constantFrom('before' as const, 'after' as const)

/** A fault of the database at a call of which `at` is the number, or of the bucket or a queue. */
export const faults = (at: fc.Arbitrary<number>): fc.Arbitrary<Fault> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ at, when }) },
    { weight: 1, arbitrary: fc.record({ of: fc.constant('files' as const), at: fc.nat(1), when }) },
    {
      weight: 1,
      arbitrary: fc.record({ of: fc.constant('queues' as const), at: fc.nat(1), when }),
    },
  )

/** A job's run dies of a fault of the database at a call of which `at` is the number, or another. */
export const deliveries = (delivered: number, at: fc.Arbitrary<number>) =>
  [
    { weight: delivered, arbitrary: fc.record({ what: what('delivered'), pick }) },
    { weight: 2, arbitrary: fc.record({ what: what('twice at once'), pick }) },
    {
      weight: 4,
      arbitrary: fc.record({
        what: what('dies'),
        pick,
        fault: faults(at),
      }),
    },
    { weight: 1, arbitrary: fc.record({ what: what('fails for good'), pick }) },
  ] satisfies { weight: number; arbitrary: fc.Arbitrary<Delivery> }[]
