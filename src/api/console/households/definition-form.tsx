import type { Context } from 'hono'
import { functions } from '../../../identity/aggregate.ts'
import type { Preview } from '../../../identity/previews.ts'
import type { Http } from '../../http.ts'
import { isFilled, type Typed } from './definition-typed.ts'
import { may } from '../parts/page.tsx'
import { previewing, previewPath, PreviewOf } from './preview.tsx'
import { Field, FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { Seen } from '../seen.tsx'
import { sharedAs } from '../people/why.tsx'

interface FormProps {
  c: Context<Http>
  typed: Typed
  error?: FormError | undefined
  isNew: boolean
  /** When that was changed last which the form changes. */
  seen?: number | undefined
  preview?: Preview | undefined
}

export function DefinitionForm({ c, typed, error, isNew, seen, preview }: FormProps) {
  return (
    // A preview has another path.
    <form method="post" action={isNew ? '/console/households/-/new' : undefined}>
      <FormToken c={c} />
      <Seen c={c} at={seen} />
      <Refused error={error} />
      {isNew && (
        <TextField
          name="id"
          label="Name"
          help="3 to 32 characters, such as household. Names of inherited attributes begin with it. It stays."
          value={typed.id}
          error={error}
          isRequired
        />
      )}
      <Area
        name="description"
        label="Description"
        help="Optional."
        value={typed.description}
        error={error}
      />
      <TextField
        name="source"
        label="Users share"
        help="The attribute whose value they have in common, such as address."
        value={typed.source}
        error={error}
        isRequired
      />
      <fieldset>
        <legend>How values are compared</legend>
        <label>
          <input type="checkbox" name="matching" value="normalized" checked={typed.matching} />{' '}
          Without regard to capital letters and spaces
        </label>
      </fieldset>
      <fieldset>
        <legend>When changes of users reach their households</legend>
        <label>
          <input type="checkbox" name="refresh" value="continuous" checked={typed.continuous} />{' '}
          Within seconds, and not only on Monday
        </label>
      </fieldset>
      <Ignored typed={typed} error={error} />
      <SharedAttributes c={c} typed={typed} error={error} />
      <div class="actions">
        <button class="main">{isNew ? 'Create the definition' : 'Save the changes'}</button>
        {isNew && may(c, previewing) && (
          <button formaction={previewPath} formnovalidate>
            See what would form
          </button>
        )}
      </div>
      {preview !== undefined && <PreviewOf preview={preview} />}
    </form>
  )
}

interface AreaProps {
  name: string
  label: string
  help: string
  value: string
  error: FormError | undefined
}

const Area = ({ name, label, help, value, error }: AreaProps) => (
  <Field name={name} label={label} help={help} error={error}>
    <textarea
      id={name}
      name={name}
      class="few"
      rows={3}
      aria-describedby={`${name}-help${error?.field === name ? ` ${name}-wrong` : ''}`}
      aria-invalid={error?.field === name ? 'true' : undefined}
    >
      {`\n${value}`}
    </textarea>
  </Field>
)

function Ignored({ typed, error }: Pick<FormProps, 'typed' | 'error'>) {
  return (
    <>
      <fieldset>
        <legend>Values that mean “none”</legend>
        <p class="help">Who has such a value is in no household.</p>
        <label class="line">
          <input type="radio" name="ignore" value="usual" checked={!typed.isOwnIgnored} /> The usual
          ones, such as N/A, unknown and -
        </label>
        <label class="line">
          <input type="radio" name="ignore" value="own" checked={typed.isOwnIgnored} /> Only these:
        </label>
      </fieldset>
      <Area
        name="ignored"
        label="These values"
        help="One a line, in any case. Used where “Only these” is chosen."
        value={typed.ignored}
        error={error}
      />
    </>
  )
}

/** Rows that are shown at once beside those that are filled, and rows at most. */
const rowsAtOnce = 2
const rowsMost = 30

function SharedAttributes({ c, typed, error }: Omit<FormProps, 'isNew' | 'preview'>) {
  const filled = typed.attributes.filter(isFilled)
  const empty = Math.max(
    0,
    Math.min(c.var.res.limits.sharedAttributesMax, rowsMost) - filled.length,
  )
  const rows = (from: number, attributes: Typed['attributes']) =>
    attributes.map((attribute, i) => (
      <SharedAttribute at={from + i} attribute={attribute} error={error} />
    ))
  const none = (number: number) =>
    Array.from({ length: number }, () => ({ id: '', type: 'latest' }))
  const shown = filled.length + Math.min(empty, rowsAtOnce)
  return (
    <fieldset>
      <legend>What households share</legend>
      <p class="help">Each member inherits each of these. Empty rows are left out.</p>
      {rows(0, [...filled, ...none(shown - filled.length)])}
      {empty > rowsAtOnce && (
        <details>
          <summary>More rows</summary>
          {rows(shown, none(empty - rowsAtOnce))}
        </details>
      )}
    </fieldset>
  )
}

interface SharedAttributeProps {
  at: number
  attribute: { id: string; type: string }
  error: FormError | undefined
}

function SharedAttribute({ at, attribute: { id, type }, error }: SharedAttributeProps) {
  const name = `attribute-${at}`
  const isWrong = error?.field === name
  return (
    <div class="pair">
      <div>
        <label for={name}>
          Attribute<span class="hidden"> {at + 1}</span>
        </label>
        {isWrong && (
          <p class="wrong" id={`${name}-wrong`}>
            {error.message}
          </p>
        )}
        <input
          id={name}
          name="attribute"
          value={id}
          autocomplete="off"
          aria-invalid={isWrong ? 'true' : undefined}
          aria-describedby={isWrong ? `${name}-wrong` : undefined}
        />
      </div>
      <div>
        <label for={`type-${at}`}>
          Shared as<span class="hidden"> {at + 1}</span>
        </label>
        <select id={`type-${at}`} name="type">
          {functions.map((known) => (
            <option value={known} selected={known === type}>
              {sharedAs[known]}
            </option>
          ))}
        </select>
      </div>
    </div>
  )
}
