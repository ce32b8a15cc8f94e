import type { Context } from 'hono'
import { eventTypes, usualTypes } from '../../../webhooks/event.ts'
import type { Subscription } from '../../../webhooks/subscriptions.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { Field, FormToken, Once, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { webhookPath } from '../paths.ts'
import { hostOf, up } from './words.tsx'

/** What a form says, as it was typed. */
export interface Typed {
  url: string
  description: string
  /** Null: the usual ones. */
  eventTypes: readonly string[] | null
}

interface WebhookFormProps {
  c: Context<Http>
  /** That which is changed; none: a new one. */
  webhook?: Subscription
  typed?: Typed
  error?: FormError
}

export function WebhookForm({ c, webhook, typed, error }: WebhookFormProps) {
  const page = webhook && { name: hostOf(webhook.url), path: webhookPath(webhook.id) }
  return (
    <Page
      c={c}
      title={page === undefined ? 'New webhook' : `Change ${page.name}`}
      about="Each event is sent as a signed POST request, and again for days until it is taken."
      up={page ?? up}
    >
      <Refused error={error} />
      <form method="post">
        <FormToken c={c} />
        <Once />
        <TextField
          name="url"
          label="Address"
          help="It begins with https:// and has a public host name."
          value={typed?.url}
          error={error}
          isRequired
        />
        <TextField
          name="description"
          label="What it is for"
          help="Optional."
          value={typed?.description}
          error={error}
        />
        <Types chosen={typed?.eventTypes ?? null} error={error} />
        <button class="main">
          {webhook === undefined ? 'Create the webhook' : 'Save the changes'}
        </button>
      </form>
    </Page>
  )
}

const kinds = [...Map.groupBy(eventTypes, (type) => type.split('.')[0] ?? '')]

function Types({
  chosen,
  error,
}: {
  chosen: readonly string[] | null
  error: FormError | undefined
}) {
  return (
    <>
      <fieldset id="event_types">
        <legend>Which events</legend>
        {error?.field.startsWith('event_types') === true && <p class="wrong">{error.message}</p>}
        <div class="cards">
          <label class="card">
            <input type="radio" name="which" value="usual" checked={chosen === null} /> The usual
            ones
            <span class="help"> {usualTypes.length} kinds: what most receivers need.</span>
          </label>
          <label class="card">
            <input type="radio" name="which" value="chosen" checked={chosen !== null} /> Those
            chosen below
            <span class="help"> Any of {eventTypes.length} kinds.</span>
          </label>
        </div>
      </fieldset>
      <div class="choices">
        {kinds.map(([kind, types]) => (
          <fieldset>
            <legend>{kind}</legend>
            {types.map((type) => (
              <label>
                <input
                  type="checkbox"
                  name="event_types"
                  value={type}
                  checked={(chosen ?? usualTypes).includes(type)}
                />{' '}
                <code>{type}</code>
              </label>
            ))}
          </fieldset>
        ))}
      </div>
    </>
  )
}

interface SecretProps {
  c: Context<Http>
  webhook: Subscription & { secret: string }
  isNew?: boolean
}

/** The one time that a secret is shown. */
export function Secret({ c, webhook, isNew = false }: SecretProps) {
  const path = webhookPath(webhook.id)
  return (
    <Page
      c={c}
      title={isNew ? 'The webhook is made' : 'The secret is new'}
      about="Copy the secret now: it is shown only this once."
      up={{ name: hostOf(webhook.url), path }}
    >
      <Field
        name="secret"
        label={`Secret of ${webhook.url}`}
        help="The receiver checks signatures with it."
      >
        <input
          id="secret"
          class="id"
          readonly
          value={webhook.secret}
          aria-describedby="secret-help"
        />
      </Field>
      {!isNew && <p class="about">For a day both secrets sign: receivers may check with either.</p>}
      <p>
        <a class="button main" href={path}>
          I have copied it
        </a>
      </p>
    </Page>
  )
}
