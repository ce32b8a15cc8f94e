/** Whoever chooses a rule learns values of attributes by who matches. */
export const ruleScopes = ['audiences:write', 'users:read'] as const

/** Counts of a rule, and why somebody is in an audience, tell values of attributes. */
export const explainScopes = ['audiences:read', 'users:read'] as const

/** A refused form is answered with the page that it is from. */
export const changeScopes = ['audiences:read', 'audiences:write'] as const

/** Whoever fills a group chooses who is in it. */
export const fillScopes = [...changeScopes, 'groups:write'] as const
