import { z } from 'zod'
import type { Client } from '../../access/clients.ts'
import { scopes as knownScopes } from '../../access/scopes.ts'
import { pageSize } from '../keyset.ts'
import { Name } from '../name.ts'
import { WholeNumber } from '../whole-number.ts'

export const TokenRequest = z.object({
  grant_type: z.string(),
  client_id: z
    .string()
    .optional()
    .meta({ description: 'With HTTP Basic, the same id or none (RFC 6749, section 3.2.1).' }),
  client_secret: z.string().optional().meta({ description: 'Not together with HTTP Basic.' }),
  audience: z.string().optional(),
  scope: z.string().optional(),
})

export const Token = z.object({
  access_token: z.string(),
  expires_in: z.int(),
  token_type: z.literal('Bearer'),
  scope: z.string(),
})

export const OAuthError = z.object({ error: z.string(), error_description: z.string() })

export const NewClient = z.object({
  workspace_id: z.int().min(1),
  name: Name(100),
  scopes: z.array(z.enum(knownScopes)).min(1),
})

export const ShownClient = z.object({
  client_id: z.string(),
  workspace_id: z.int(),
  name: z.string(),
  scopes: z.array(z.string()),
  created_on: z.iso.datetime(),
})

export const showClient = (client: Client): z.infer<typeof ShownClient> => ({
  client_id: client.id,
  workspace_id: client.workspace,
  name: client.name,
  scopes: client.scopes,
  created_on: new Date(client.createdAt).toISOString(),
})

export const ClientQuery = z.object({
  workspace_id: WholeNumber(1, Number.MAX_SAFE_INTEGER).optional(),
  after: z.string().default(''),
  size: pageSize(1000, 100),
})
