import type { Context } from 'hono'
import type { Child, PropsWithChildren } from 'hono/jsx'
import type { Http } from '../../http.ts'
import { onceField } from '../form.ts'
import { formTokenField } from '../session.ts'

/** What shows that a form was sent by a page of this session. */
export const FormToken = ({ c }: { c: Context<Http> }) => (
  <input type="hidden" name={formTokenField} value={c.var.formToken} />
)

/** What tells a form that is sent twice from one that is opened anew. */
export const Once = () => <input type="hidden" name={onceField} value={crypto.randomUUID()} />

const digits = new Intl.NumberFormat('en')

/** A number with thin separators. */
export const count = (value: number): string => digits.format(value).replaceAll(',', '\u202f')

/** `1 row`, `2 rows`. */
export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`

export const Count = ({ of }: { of: number }) => <span class="count">{count(of)}</span>

const units = [
  ['year', 31_557_600_000],
  ['month', 2_629_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

/** How long ago a moment is, or how far ahead. */
export function ago(at: number, now: number): string {
  const unit = units.find(([, length]) => Math.abs(now - at) >= length)
  return unit === undefined
    ? 'just now'
    : relative.format(Math.trunc((at - now) / unit[1]), unit[0])
}

/** A moment: relative, with the exact one on hover, which the browser shows in the reader's zone. */
export const When = ({ at, now }: { at: number; now: number }) => (
  <time datetime={new Date(at).toISOString()} title={new Date(at).toUTCString()}>
    {ago(at, now)}
  </time>
)

export type Tone = 'good' | 'wait' | 'bad' | 'none'

/** A status as a word and a colour. */
export const Status = ({ tone, children }: PropsWithChildren<{ tone: Tone }>) => (
  <span class={`status ${tone}`}>{children}</span>
)

export interface Column<Row> {
  name: string
  cell: (row: Row) => Child
  /** Right-aligned. */
  isNumber?: boolean
  /** The link that sorts by it. */
  sort?: { href: string; order: 'ascending' | 'descending' | undefined }
}

/** A list; the first column names the row. */
export function Table<Row>({
  label,
  columns,
  rows,
}: {
  label: string
  columns: Column<Row>[]
  rows: Row[]
}) {
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, isNumber, sort }) => (
              <th
                scope="col"
                class={isNumber === true ? 'number' : undefined}
                aria-sort={sort?.order}
              >
                {sort === undefined ? name : <a href={sort.href}>{name}</a>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {columns.map(({ cell, isNumber }, i) =>
                i === 0 ? (
                  <th scope="row">{cell(row)}</th>
                ) : (
                  <td class={isNumber === true ? 'number' : undefined}>{cell(row)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** What an empty list is for, and how to make the first. */
export const Empty = ({ title, children }: PropsWithChildren<{ title: string }>) => (
  <div class="empty">
    <p class="strong">{title}</p>
    {children}
  </div>
)

export type Fact = [name: string, value: Child]

/** Facts by name. */
export const Facts = ({ of }: { of: Fact[] }) => (
  <dl class="facts">
    {of.map(([name, value]) => (
      <div>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

export const Section = ({ title, children }: PropsWithChildren<{ title: string }>) => (
  <section>
    <h2>{title}</h2>
    {children}
  </section>
)

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
