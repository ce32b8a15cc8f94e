import { Field, type FormError } from '../parts/fields.tsx'
import { Count } from '../parts/figures.tsx'

interface TrafficFieldProps {
  /** In percent, as typed. */
  value: string
  /** Who could take part; undefined: nobody knows. */
  people: number | undefined
  error?: FormError | undefined
}

/** How many take part: a number, which scripts make a slider of. */
export const TrafficField = ({ value, people, error }: TrafficFieldProps) => (
  <div data-traffic={people}>
    <Field
      name="traffic"
      label="Traffic in %"
      help="More adds people, and who has a variant keeps it. Less takes it from some."
      error={error}
    >
      <span class="row">
        <input type="range" min="0" max="100" step="1" value={value} aria-label="Traffic" hidden />
        <input
          id="traffic"
          name="traffic"
          inputmode="decimal"
          size={6}
          value={value}
          autocomplete="off"
          aria-describedby="traffic-help traffic-people"
        />
        <output id="traffic-people" for="traffic">
          {people !== undefined && (
            <>
              about <Count of={Math.round((people * (Number(value) || 0)) / 100)} /> of{' '}
              <Count of={Math.round(people)} /> people
            </>
          )}
        </output>
      </span>
    </Field>
  </div>
)
