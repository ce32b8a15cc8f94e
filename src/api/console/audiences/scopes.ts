/** Whoever chooses a rule learns values of attributes by who matches. */
export const ruleScopes = ['audiences:write', 'users:read'] as const

/** Counts of a rule, and why somebody is in an audience, tell values of attributes. */
export const explainScopes = ['audiences:read', 'users:read'] as const

/** Whoever fills a group chooses who is in it. */
export const fillScopes = ['audiences:write', 'groups:write'] as const
