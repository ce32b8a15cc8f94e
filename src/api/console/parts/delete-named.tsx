import type { Context } from 'hono'
import type { Child } from 'hono/jsx'
import { invalid } from '../../../failure.ts'
import { canonical } from '../../../text.ts'
import type { Http } from '../../http.ts'
import { FormToken, Section, TextField, type FormError } from './parts.tsx'

interface NamedProps {
  c: Context<Http>
  /** Where the form is sent. */
  action: string
  title: string
  /** What will happen, in numbers. */
  warning: Child
  button: string
  /** What the button sends, where the form does several things. */
  to?: string | undefined
  /** The form's field, one of its own on the page. */
  field: string
  error?: FormError | undefined
}

/** Something that cannot be undone: it asks for the name. */
export const Named = ({ c, action, title, warning, button, to, field, error }: NamedProps) => (
  <Section title={title}>
    <form class="danger-zone" method="post" action={action}>
      <FormToken c={c} />
      <div class="field">{warning}</div>
      <TextField name={field} label="Type its name" error={error} isRequired />
      <button class="danger" {...(to !== undefined && { name: 'to', value: to })}>
        {button}
      </button>
    </form>
  </Section>
)

/** Throws `invalid` unless the name was typed. */
export function checkNamed(c: Context<Http>, field: string, name: string): void {
  if (canonical(c.var.form.get(field) ?? '') !== canonical(name))
    throw invalid(field, 'is not its name. Nothing has changed')
}
