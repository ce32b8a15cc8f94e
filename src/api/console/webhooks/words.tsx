import type { Context } from 'hono'
import { usualTypes } from '../../../webhooks/event.ts'
import type { Subscription } from '../../../webhooks/subscriptions.ts'
import type { Http } from '../../http.ts'
import { Status } from '../parts/blocks.tsx'
import { webhookPath } from '../paths.ts'

export const hostOf = (url: string): string => URL.parse(url)?.host ?? url

export const pathOf = ({ id }: Subscription, below: string) => `${webhookPath(id)}/${below}`

export interface OfWebhook {
  c: Context<Http>
  webhook: Subscription
}

export const up = { name: 'Webhooks', path: '/console/webhooks' }

export const stateOf = ({ disabled, failingSince }: Subscription) => {
  if (disabled === 'asked') return <Status tone="none">off</Status>
  if (disabled !== null) return <Status tone="bad">stopped</Status>
  return failingSince === null ? (
    <Status tone="good">on</Status>
  ) : (
    <Status tone="wait">failing</Status>
  )
}

/** Which events, in a few words. */
export const typesOf = ({ eventTypes }: Pick<Subscription, 'eventTypes'>): string => {
  if (eventTypes === null) return `the ${usualTypes.length} usual events`
  const [only = ''] = eventTypes
  return eventTypes.length === 1 ? only : `${eventTypes.length} kinds of events`
}
