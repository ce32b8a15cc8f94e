import { z } from 'zod'
import type { Client, ClientDraft } from '../../access/clients.ts'
import { scopes as knownScopes } from '../../access/scopes.ts'
import { longestLifetime } from '../../access/tokens.ts'
import { pageSize } from '../keyset.ts'
import { Name } from '../name.ts'
import { WholeNumber } from '../whole-number.ts'

const clientFields = {
  client_id: z
    .string()
    .optional()
    .meta({ description: 'With HTTP Basic, the same id or none (RFC 6749, section 3.2.1).' }),
  client_secret: z.string().optional().meta({ description: 'Not together with HTTP Basic.' }),
}

export const TokenRequest = z.object({
  grant_type: z.string(),
  ...clientFields,
  audience: z.string().optional(),
  scope: z.string().optional(),
})

export const Revocation = z.object({
  token: z.string(),
  token_type_hint: z.string().optional().meta({ description: 'Ignored.' }),
  ...clientFields,
})

export const Token = z.object({
  access_token: z.string(),
  expires_in: z.int(),
  token_type: z.literal('Bearer'),
  scope: z.string(),
})

export const OAuthError = z.object({ error: z.string(), error_description: z.string() })

const lifetimes = `must be 300 to ${longestLifetime}`

export const NewClient = z.object({
  workspace_id: z.int().min(1),
  name: Name(100),
  scopes: z.array(z.enum(knownScopes)).min(1),
  token_lifetime: z
    .int()
    .min(300, lifetimes)
    .max(longestLifetime, lifetimes)
    .optional()
    .meta({ description: 'Seconds that its tokens are valid; eight hours if not given.' }),
  expires_on: z.iso
    .datetime({ offset: true, error: 'must be a time such as 2027-11-24T03:00:00Z' })
    .optional()
    .meta({ description: 'From then on it gets no tokens, and those it has end.' }),
})

export const draftOf = (client: z.infer<typeof NewClient>): ClientDraft => ({
  name: client.name,
  scopes: client.scopes,
  tokenLifetime: client.token_lifetime ?? null,
  expiresAt: client.expires_on === undefined ? null : Date.parse(client.expires_on),
})

export const ShownClient = z.object({
  client_id: z.string(),
  workspace_id: z.int(),
  name: z.string(),
  scopes: z.array(z.string()),
  created_on: z.iso.datetime(),
  token_lifetime: z.int().optional(),
  expires_on: z.iso.datetime().optional(),
  former_secret_until: z.iso
    .datetime()
    .optional()
    .meta({ description: 'Until when the secret before the last rotation is good too.' }),
})

export const ClientWithSecret = ShownClient.extend({ client_secret: z.string() })

export const showClient = (client: Client): z.infer<typeof ShownClient> => ({
  client_id: client.id,
  workspace_id: client.workspace,
  name: client.name,
  scopes: client.scopes,
  created_on: new Date(client.createdAt).toISOString(),
  ...(client.tokenLifetime !== null && { token_lifetime: client.tokenLifetime }),
  ...(client.expiresAt !== null && { expires_on: new Date(client.expiresAt).toISOString() }),
  ...(client.formerUntil !== null && {
    former_secret_until: new Date(client.formerUntil).toISOString(),
  }),
})

export const showSecret = (
  client: Client & { secret: string },
): z.infer<typeof ClientWithSecret> => ({ ...showClient(client), client_secret: client.secret })

export const ClientQuery = z.object({
  workspace_id: WholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  after: z.string().default(''),
  size: pageSize(1000, 100),
})
