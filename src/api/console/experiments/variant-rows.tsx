import type { Typed, TypedVariant } from './typed.ts'
import type { FormError } from '../parts/fields.tsx'

interface VariantRowsProps {
  typed: Typed
  error: FormError | undefined
}

/** The variants of an experiment as rows of a form. */
export const VariantRows = ({ typed, error }: VariantRowsProps) => (
  <fieldset id="variants" data-rows>
    <legend>Variants</legend>
    <p class="help">
      Shares are 100 % together. Who takes no part gets the value of the control. A row left empty
      is left out.
    </p>
    {error?.field === 'variants' && <p class="wrong">{error.message}</p>}
    {typed.variants.map((variant, i) => (
      <VariantRow
        variant={variant}
        place={i}
        isControl={typed.control === i}
        kind={typed.lines.kind}
        error={error}
      />
    ))}
    <p class="row">
      <button name="add" value="variant">
        Add a variant
      </button>
      <output class="soft" data-sum></output>
    </p>
  </fieldset>
)

interface VariantRowProps {
  variant: TypedVariant
  place: number
  isControl: boolean
  kind: string
  error: FormError | undefined
}

function VariantRow({ variant, place, isControl, kind, error }: VariantRowProps) {
  const { id, weight, value, forced } = variant
  const cell = (field: string, label: string, given: string, placeholder = '') => (
    <Cell name={`variants.${place}.${field}`} label={label} error={error}>
      {(attributes) => <input {...attributes} value={given} placeholder={placeholder} />}
    </Cell>
  )
  return (
    <div class="variant" data-row role="group" aria-label={`Variant ${place + 1}`}>
      {cell('id', 'Id', id)}
      {cell('weight', 'Share in %', weight)}
      {cell('value', 'Value', value, kind === 'string' ? 'its id' : '')}
      <label class="check">
        <input type="radio" name="control" value={`${place}`} checked={isControl} /> control
      </label>
      <details open={forced !== '' || error?.field === `variants.${place}.forced`}>
        <summary>Forced on some</summary>
        <Cell
          name={`variants.${place}.forced`}
          label="Ids of participants, one a line"
          error={error}
        >
          {(attributes) => (
            <textarea {...attributes} rows={3}>
              {`\n${forced}`}
            </textarea>
          )}
        </Cell>
      </details>
    </div>
  )
}

interface CellProps {
  name: string
  label: string
  error: FormError | undefined
  children: (attributes: Record<string, string | undefined>) => unknown
}

function Cell({ name, label, error, children }: CellProps) {
  const isWrong = error?.field === name
  const attributes = {
    ...{ id: name, name, autocomplete: 'off' },
    'aria-invalid': isWrong ? 'true' : undefined,
    'aria-describedby': isWrong ? `${name}-wrong` : undefined,
  }
  return (
    <div>
      <label for={name}>{label}</label>
      {children(attributes)}
      {isWrong && (
        <p class="wrong" id={`${name}-wrong`}>
          {error?.message}
        </p>
      )}
    </div>
  )
}
