import type { Context } from 'hono'
import type { Child, PropsWithChildren } from 'hono/jsx'
import { invalid } from '../../../failure.ts'
import { canonical } from '../../../text.ts'
import type { Http } from '../../http.ts'
import { Section } from './blocks.tsx'
import { FormToken, TextField, type FormError } from './fields.tsx'

interface ConfirmProps {
  c: Context<Http>
  /** Where the form is sent. */
  action: string
  title: string
  /** What will happen, in numbers. */
  warning: Child
  button: string
  /** What the button sends, where the form does several things. */
  to?: string
  /** The field that is typed, one of its own on the page. */
  field?: string
  label?: string
  error: FormError | undefined
}

/** What cannot be undone takes that somebody types its name. */
export function Confirm(props: PropsWithChildren<ConfirmProps>) {
  const { c, action, title, warning, button, to, error, children } = props
  const { field = 'confirm', label = 'Type its name' } = props
  return (
    <Section title={title}>
      <form class="danger-zone" method="post" action={action}>
        <FormToken c={c} />
        {children}
        <p class="field">{warning}</p>
        <TextField
          name={field}
          label={label}
          value={c.var.form?.get(field) ?? ''}
          error={error}
          isRequired
        />
        <button class="danger" {...(to !== undefined && { name: 'to', value: to })}>
          {button}
        </button>
      </form>
    </Section>
  )
}

interface Confirmed {
  field?: string
  what?: string
}

/** Throws `invalid` unless the text was typed. */
export function checkConfirmed(
  c: Context<Http>,
  text: string,
  { field = 'confirm', what = 'its name' }: Confirmed = {},
): void {
  if (canonical(c.var.form.get(field) ?? '') !== canonical(text))
    throw invalid(field, `is not ${what}. Nothing has changed`)
}
