export const scopes = [
  'groups:read',
  'groups:write',
  'users:read',
  'users:write',
  'audiences:read',
  'audiences:write',
  'webhooks:read',
  'webhooks:write',
  'experiments:read',
  'experiments:write',
  'flags:evaluate',
  'audit:read',
] as const

export type Scope = (typeof scopes)[number]

/** What an operation needs: all of a list; of a list within it any one, the narrowest first. */
export type Needs = Scope | readonly (Scope | readonly Scope[])[]

/** Questions about one participant, which are all that a browser should ask. */
export const evaluating: Needs = [['flags:evaluate', 'groups:read']]

const requirementsOf = (needs: Needs) => [needs].flat().map((need) => [need].flat())

/** The first scope that is missing, if any. */
export const missingScope = (needs: Needs, held: readonly string[]): Scope | undefined =>
  requirementsOf(needs).find((oneOf) => !oneOf.some((scope) => held.includes(scope)))?.[0]

/** Each choice of scopes that suffices. */
export const sufficientScopes = (needs: Needs): Scope[][] =>
  requirementsOf(needs).reduce<Scope[][]>(
    (choices, oneOf) => choices.flatMap((choice) => oneOf.map((scope) => [...choice, scope])),
    [[]],
  )
