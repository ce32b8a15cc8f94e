import type { Context } from 'hono'
import type { PropsWithChildren } from 'hono/jsx'
import type { Http } from '../http.ts'
import { Deliveries, type DeliveriesProps } from './deliveries.tsx'
import { may, Page } from './page.tsx'
import {
  count,
  Facts,
  type Fact,
  FormToken,
  Once,
  Refused,
  Section,
  TextField,
  When,
  type FormError,
} from './parts.tsx'
import { hostOf, pathOf, stateOf, typesOf, type OfWebhook } from './webhook-list.tsx'
import { Replay } from './webhook-replay.tsx'

interface WebhookPageProps extends DeliveriesProps {
  error: FormError | undefined
}

const reasons = {
  gone: 'It was stopped, as the receiver said that this address is gone.',
  failing: 'It was stopped, as every attempt of five days failed.',
  asked: 'It is off: what happens now is not sent, and can be replayed later.',
}

export function WebhookPage(props: WebhookPageProps) {
  const { c, webhook, error } = props
  const mayWrite = may(c, 'webhooks:write')
  return (
    <Page
      c={c}
      title={hostOf(webhook.url)}
      about={<bdi>{webhook.description || 'Events are sent to this address.'}</bdi>}
      up={{ name: 'Webhooks', path: '/console/webhooks' }}
      action={mayWrite && <Actions c={c} webhook={webhook} />}
    >
      <Refused error={error} />
      <Done c={c} />
      {webhook.disabled !== null && <p class="note wait">{reasons[webhook.disabled]}</p>}
      <Summary c={c} webhook={webhook} />
      <Deliveries {...props} />
      {mayWrite && <Replay c={c} webhook={webhook} error={error} />}
      {mayWrite && <Danger c={c} webhook={webhook} error={error} />}
    </Page>
  )
}

/** A button that does one thing. */
const Do = ({
  c,
  webhook,
  below,
  look,
  children,
}: PropsWithChildren<OfWebhook & { below: string; look?: string }>) => (
  <form method="post" action={pathOf(webhook, below)}>
    <FormToken c={c} />
    <Once />
    <button class={look}>{children}</button>
  </form>
)

function Actions(of: OfWebhook) {
  const isOn = of.webhook.disabled === null
  return (
    <>
      <a class="button" href={pathOf(of.webhook, 'edit')}>
        Change
      </a>
      {isOn ? (
        <>
          <Do {...of} below="disable">
            Switch off
          </Do>
          <Do {...of} below="test" look="main">
            Send a test event
          </Do>
        </>
      ) : (
        <Do {...of} below="enable" look="main">
          Switch on
        </Do>
      )}
    </>
  )
}

/** What was done a moment ago. */
function Done({ c }: { c: Context<Http> }) {
  const replayed = c.req.query('replayed') ?? ''
  if (/^\d{1,9}$/.test(replayed))
    return (
      <p class="note good" role="status">
        {replayed === '0'
          ? 'There was nothing of that period to send again.'
          : `${count(Number(replayed))} events are sent again.`}
      </p>
    )
  const sentences: Record<string, string> = {
    test: 'A test event is on its way: its delivery is below.',
    retry: 'The event is sent again: its delivery is below.',
  }
  const done = new Map(Object.entries(sentences)).get(c.req.query('done') ?? '')
  return done === undefined ? (
    <></>
  ) : (
    <p class="note good" role="status">
      {done}
    </p>
  )
}

/** A moment, as a fact. */
const factOf = (name: string, at: number, now: number): Fact => [name, <When at={at} now={now} />]

function Summary({ c, webhook }: OfWebhook) {
  const now = c.var.res.now()
  const { failingSince, formerUntil, updatedAt, updatedBy, eventTypes } = webhook
  return (
    <>
      <Facts
        of={[
          ['Address', <span class="id">{webhook.url}</span>],
          ['State', stateOf(webhook)],
          ['Sends', typesOf(webhook)],
          [
            'Last change',
            <>
              <When at={updatedAt} now={now} /> by <bdi>{updatedBy}</bdi>
            </>,
          ],
          ...(failingSince === null ? [] : [factOf('Failing since', failingSince, now)]),
          ...(formerUntil === null || formerUntil < now
            ? []
            : [factOf('Former secret signs until', formerUntil, now)]),
        ]}
      />
      {eventTypes !== null && eventTypes.length > 1 && (
        <p class="help">
          <code>{eventTypes.join(' · ')}</code>
        </p>
      )}
    </>
  )
}

function Danger({ c, webhook, error }: OfWebhook & { error: FormError | undefined }) {
  const host = hostOf(webhook.url)
  return (
    <Section title="Secret and deletion">
      <Do c={c} webhook={webhook} below="rotate">
        Make a new secret
      </Do>
      <p class="help">It is shown once. The one of today signs, too, for another day.</p>
      <div class="danger-zone">
        <h3>Delete this webhook</h3>
        <p class="about">
          Nothing is sent to this address any more, and deliveries that wait are dropped. To pause
          it, switch it off instead.
        </p>
        <form method="post" action={pathOf(webhook, 'delete')}>
          <FormToken c={c} />
          <TextField
            name="confirm"
            label={`Type ${host}`}
            value={c.var.form?.get('confirm') ?? ''}
            error={error}
            isRequired
          />
          <button class="danger">Delete the webhook</button>
        </form>
      </div>
    </Section>
  )
}
