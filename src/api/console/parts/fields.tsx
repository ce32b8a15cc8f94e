import type { Context } from 'hono'
import type { PropsWithChildren } from 'hono/jsx'
import type { Http } from '../../http.ts'
import { onceField } from '../form.ts'
import { formTokenField } from '../session.ts'

/** What shows that a form was sent by a page of this session. */
export const FormToken = ({ c }: { c: Context<Http> }) => (
  <input type="hidden" name={formTokenField} value={c.var.formToken} />
)

/** What tells a form that is sent twice from one that is opened anew. */
export const Once = () => <input type="hidden" name={onceField} value={crypto.randomUUID()} />

/** What is wrong with one field of a form. */
export interface FormError {
  field: string
  message: string
}

/** The error once at the top, with a link to its field. */
export const Refused = ({ error }: { error: FormError | undefined }) =>
  error === undefined ? (
    <></>
  ) : (
    <div class="refused" role="alert">
      <p class="strong">That did not work</p>
      <p>
        <a href={`#${error.field}`}>{error.message}</a>
      </p>
    </div>
  )

interface FieldProps {
  name: string
  label: string
  help?: string
  error?: FormError | undefined
}

/** A field of a form: its label above, help below it, and what is wrong with it. */
export function Field({ name, label, help, error, children }: PropsWithChildren<FieldProps>) {
  return (
    <div class="field">
      <label for={name}>{label}</label>
      {help !== undefined && (
        <p class="help" id={`${name}-help`}>
          {help}
        </p>
      )}
      {error?.field === name && (
        <p class="wrong" id={`${name}-wrong`}>
          {error.message}
        </p>
      )}
      {children}
    </div>
  )
}

/** A field of one line. */
export function TextField({
  value,
  type = 'text',
  isRequired = false,
  list,
  ...field
}: FieldProps & {
  value?: string | undefined
  type?: string
  isRequired?: boolean
  /** The id of a list of what may be meant. */
  list?: string
}) {
  const { name, help, error } = field
  const describedBy = [
    ...(help === undefined ? [] : [`${name}-help`]),
    ...(error?.field === name ? [`${name}-wrong`] : []),
  ]
  return (
    <Field {...field}>
      <input
        id={name}
        name={name}
        type={type}
        value={value}
        required={isRequired}
        list={list}
        autocomplete="off"
        aria-describedby={describedBy.join(' ') || undefined}
        aria-invalid={error?.field === name ? 'true' : undefined}
      />
    </Field>
  )
}
