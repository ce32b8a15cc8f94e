export const scopes = [
  'groups:read',
  'groups:write',
  'users:read',
  'users:write',
  'audiences:read',
  'audiences:write',
  'webhooks:read',
  'webhooks:write',
  'flags:evaluate',
  'audit:read',
] as const

export type Scope = (typeof scopes)[number]

/** What an operation needs: each scope of a list, and of a list inside it one, the narrowest first. */
export type Needs = Scope | readonly (Scope | readonly Scope[])[]

/** Of what asks about one participant, and so is all that a browser should be able to. */
export const evaluating: Needs = [['flags:evaluate', 'groups:read']]

const requirementsOf = (needs: Needs) => [needs].flat().map((need) => [need].flat())

/** A scope that is missing; undefined where those held suffice. */
export const missingScope = (needs: Needs, held: readonly string[]): Scope | undefined =>
  requirementsOf(needs).find((oneOf) => !oneOf.some((scope) => held.includes(scope)))?.[0]

/** Each choice of scopes that suffices. */
export const sufficientScopes = (needs: Needs): Scope[][] =>
  requirementsOf(needs).reduce<Scope[][]>(
    (choices, oneOf) => choices.flatMap((choice) => oneOf.map((scope) => [...choice, scope])),
    [[]],
  )
