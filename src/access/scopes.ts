export const scopes = [
  'groups:read',
  'groups:write',
  'users:read',
  'users:write',
  'audiences:read',
  'audiences:write',
  'webhooks:read',
  'webhooks:write',
] as const

export type Scope = (typeof scopes)[number]
