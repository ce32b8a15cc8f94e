import type { Context } from 'hono'
import { deliveryStates } from '../../../webhooks/event.ts'
import {
  deliveryDays,
  type Attempt,
  type Delivery,
  type DeliveryState,
} from '../../../webhooks/history.ts'
import type { Http } from '../../http.ts'
import { may } from '../parts/page.tsx'
import { Empty, Section, Status, type Tone } from '../parts/blocks.tsx'
import { FormToken } from '../parts/fields.tsx'
import { Count, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import type { OfWebhook } from './words.tsx'
import { webhookPath } from '../paths.ts'

const states: Record<DeliveryState, [Tone, string]> = {
  pending: ['wait', 'waits'],
  delivered: ['good', 'taken'],
  failed: ['bad', 'not taken'],
}

const tabs: Record<DeliveryState, string> = {
  pending: 'Waiting',
  delivered: 'Taken',
  failed: 'Not taken',
}

/** Milliseconds within which a change is worth watching for. */
const soon = 15_000

export interface DeliveriesProps extends OfWebhook {
  deliveries: Delivery[]
  /** The delivery after which the next page begins. */
  next: string | undefined
  state: DeliveryState | undefined
}

/** What was sent to a webhook, newest first, and what the receiver said. */
export function Deliveries({ c, webhook, deliveries, next, state }: DeliveriesProps) {
  const now = c.var.res.now()
  const path = webhookPath(webhook.id)
  const isMoving =
    webhook.disabled === null &&
    deliveries.some(
      ({ state, nextAttemptAt }) => state === 'pending' && (nextAttemptAt ?? now) < now + soon,
    )
  return (
    <Section title="Deliveries">
      <nav class="pages tabs" aria-label="Deliveries by state">
        <a href={`${path}#deliveries`} aria-current={state === undefined ? 'true' : undefined}>
          All
        </a>
        {deliveryStates.map((one) => (
          <a
            href={`${path}?status=${one}#deliveries`}
            aria-current={state === one ? 'true' : undefined}
          >
            {tabs[one]}
          </a>
        ))}
      </nav>
      <div id="deliveries" data-live={isMoving ? '' : undefined}>
        {deliveries.length === 0 ? (
          <Empty title={state === undefined ? 'Nothing was sent yet' : 'There is no such delivery'}>
            <p>Deliveries of the last {deliveryDays} days are listed here, with each attempt.</p>
          </Empty>
        ) : (
          <Table
            label="Deliveries"
            rows={deliveries}
            columns={[
              { name: 'Event', cell: ({ type }) => <code>{type}</code> },
              { name: 'Happened', cell: ({ at }) => <When at={at} now={now} /> },
              { name: 'State', cell: (one) => <State delivery={one} now={now} /> },
              { name: 'Attempts', cell: ({ attempts }) => <Attempts of={attempts} now={now} /> },
              ...(may(c, 'webhooks:write')
                ? [
                    {
                      name: 'Again',
                      cell: (one: Delivery) => <Again c={c} path={path} delivery={one} />,
                    },
                  ]
                : []),
            ]}
          />
        )}
      </div>
      {next !== undefined && (
        <p class="pages">
          <a
            href={`${path}?${String(new URLSearchParams({ ...(state && { status: state }), after: next }))}#deliveries`}
          >
            Older deliveries
          </a>
        </p>
      )}
    </Section>
  )
}

function State({ delivery, now }: { delivery: Delivery; now: number }) {
  const { state, nextAttemptAt } = delivery
  const [tone, word] = states[state]
  return (
    <>
      <Status tone={tone}>{word}</Status>
      {nextAttemptAt !== null && nextAttemptAt > now && (
        <small class="block">
          {nextAttemptAt < now + 60_000 ? (
            'again in a moment'
          ) : (
            <>
              again <When at={nextAttemptAt} now={now} />
            </>
          )}
        </small>
      )}
    </>
  )
}

/** The last attempt, and all of them on demand. */
function Attempts({ of, now }: { of: Attempt[]; now: number }) {
  const last = of.at(-1)
  if (last === undefined) return <span class="soft">none yet</span>
  return (
    <details class="attempts">
      <summary>
        <Count of={last.attempt} />, the last {outcomeOf(last)}
      </summary>
      <ol>
        {of.toReversed().map((one) => (
          <li>
            <When at={one.at} now={now} />: {outcomeOf(one)} after <Count of={one.duration} /> ms
            {one.answer !== '' && <pre dir="auto">{one.answer}</pre>}
          </li>
        ))}
      </ol>
    </details>
  )
}

const outcomeOf = ({ status }: Attempt): string =>
  status === null ? 'had no answer' : `was answered ${status}`

function Again({ c, path, delivery }: { c: Context<Http>; path: string; delivery: Delivery }) {
  const { event, type, state } = delivery
  if (state === 'pending') return <></>
  return (
    <form method="post" action={`${path}/deliveries/${encodeURIComponent(event)}/retry`}>
      <FormToken c={c} />
      <button class="plain">
        Send again<span class="hidden">: {type}</span>
      </button>
    </form>
  )
}
