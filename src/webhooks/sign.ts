import { Webhook } from 'standardwebhooks'

/** 256 random bits as a secret of Standard Webhooks 1.0. */
export const newSecret = (random: Uint8Array): string =>
  `whsec_${btoa(String.fromCharCode(...random))}`

/** The secrets that sign at `now`: two during a rotation. */
export const secretsAt = (
  {
    secret,
    former,
    formerUntil,
  }: { secret: string; former: string | null; formerUntil: number | null },
  now: number,
): string[] =>
  former !== null && formerUntil !== null && now < formerUntil ? [secret, former] : [secret]

/** The headers of an attempt (Standard Webhooks 1.0, "Webhook headers"). */
export const headersOf = (
  id: string,
  body: string,
  secrets: string[],
  now: number,
): Record<string, string> => ({
  'content-type': 'application/json',
  'user-agent': 'Coterie-Webhooks/1',
  'webhook-id': id,
  'webhook-timestamp': String(Math.floor(now / 1000)),
  'webhook-signature': secrets
    .map((secret) => new Webhook(secret).sign(id, new Date(now), body))
    .join(' '),
})
