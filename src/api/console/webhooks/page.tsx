import type { Context } from 'hono'
import type { PropsWithChildren } from 'hono/jsx'
import type { Http } from '../../http.ts'
import { Deliveries, type DeliveriesProps } from './deliveries.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { may, Page } from '../parts/page.tsx'
import { Facts, type Fact, Section } from '../parts/blocks.tsx'
import { FormToken, Once, Refused, type FormError } from '../parts/fields.tsx'
import { count, When } from '../parts/figures.tsx'
import { hostOf, pathOf, stateOf, typesOf, type OfWebhook } from './words.tsx'
import { Replay } from './replay.tsx'

interface WebhookPageProps extends DeliveriesProps {
  error: FormError | undefined
}

const reasons = {
  gone: 'It was stopped: the receiver said that this address is gone.',
  failing: 'It was stopped: every attempt of five days failed.',
  asked: 'It is off. What happens now is not sent; you can send it again later.',
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
      {mayWrite && <NewSecret c={c} webhook={webhook} />}
      {mayWrite && <Delete c={c} webhook={webhook} error={error} />}
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
          : `${count(Number(replayed))} ${replayed === '1' ? 'event is' : 'events are'} sent again.`}
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

const NewSecret = (of: OfWebhook) => (
  <Section title="Secret">
    <Do {...of} below="rotate">
      Make a new secret
    </Do>
    <p class="help">It is shown once. Today’s secret also signs for another day.</p>
  </Section>
)

const Delete = ({ c, webhook, error }: OfWebhook & { error: FormError | undefined }) => (
  <Confirm
    {...{ c, error, action: pathOf(webhook, 'delete') }}
    title="Delete this webhook"
    label={`Type ${hostOf(webhook.url)}`}
    warning="Nothing more is sent to this address, and waiting deliveries are dropped. To pause it, switch it off."
    button="Delete the webhook"
  />
)
