import fc from 'fast-check'

/** What happens next to the message of one of the jobs, which `pick` chooses. */
export type Delivery =
  | { what: 'delivered'; pick: number }
  | { what: 'twice at once'; pick: number }
  | { what: 'dies'; pick: number; at: number; when: 'before' | 'after' }
  | { what: 'fails for good'; pick: number }

const pick = fc.nat(7)
const what = <What extends Delivery['what']>(name: What) => fc.constant(name)

/** A death comes before or after a call of the database, of which `at` is the number. */
export const deliveries = (delivered: number, at: fc.Arbitrary<number>) =>
  [
    { weight: delivered, arbitrary: fc.record({ what: what('delivered'), pick }) },
    { weight: 2, arbitrary: fc.record({ what: what('twice at once'), pick }) },
    {
      weight: 4,
      arbitrary: fc.record({
        what: what('dies'),
        pick,
        at,
        when: fc.constantFrom('before' as const, 'after' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ what: what('fails for good'), pick }) },
  ] satisfies { weight: number; arbitrary: fc.Arbitrary<Delivery> }[]
