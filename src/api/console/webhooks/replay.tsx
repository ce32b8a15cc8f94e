import { deliveryDays } from '../../../webhooks/history.ts'
import { Section } from '../parts/blocks.tsx'
import { Field, FormToken, type FormError } from '../parts/fields.tsx'
import { pathOf, type OfWebhook } from './words.tsx'

/** For a receiver that was out. */
export function Replay({ c, webhook, error }: OfWebhook & { error: FormError | undefined }) {
  const typed = (name: string) => c.var.form?.get(name) ?? ''
  return (
    <Section title="Send a period again">
      <p class="about">
        For a receiver that was out: events of the last {deliveryDays} days can be sent again, in
        the order in which they happened.
      </p>
      <form method="post" action={pathOf(webhook, 'replay')}>
        <FormToken c={c} />
        <Moment name="since" label="From (UTC)" value={typed('since')} error={error} />
        <Moment
          name="until"
          label="Until (UTC)"
          help="Now, if it is empty."
          value={typed('until')}
          error={error}
        />
        <fieldset>
          <legend>Which events</legend>
          <label class="choice">
            <input type="radio" name="only" value="failed" checked={typed('only') !== 'all'} />{' '}
            Those that were not taken
          </label>
          <label class="choice">
            <input type="radio" name="only" value="all" checked={typed('only') === 'all'} /> All,
            also those that were
          </label>
        </fieldset>
        <button>Send again</button>
      </form>
    </Section>
  )
}

interface MomentProps {
  name: string
  label: string
  help?: string
  value: string
  error: FormError | undefined
}

const Moment = ({ value, ...field }: MomentProps) => (
  <Field {...field}>
    <input
      id={field.name}
      name={field.name}
      type="datetime-local"
      value={value}
      aria-invalid={field.error?.field === field.name ? 'true' : undefined}
    />
  </Field>
)
