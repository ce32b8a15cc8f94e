import type { Context } from 'hono'
import { listAudiences } from '../../../audiences/audiences.ts'
import type { Count as Counted } from '../../../audiences/questions.ts'
import { listDefinitions } from '../../../identity/definitions.ts'
import type { Http } from '../../http.ts'
import { audiencePath } from '../paths.ts'
import { groupsByName } from '../parts/choose-group.tsx'
import { Ids } from '../parts/value.tsx'
import { Cost } from './cost.tsx'
import { explainScopes } from './scopes.ts'
import { Seen } from '../seen.tsx'
import { may, Page, Script } from '../parts/page.tsx'
import { Field, FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { Count } from '../parts/figures.tsx'

/** What was typed of an audience. */
export interface Typed {
  id: string
  name: string
  description: string
  refresh: string
  rule: string
}

interface AudienceFormProps {
  c: Context<Http>
  typed: Typed
  /** The id of the audience that is changed; undefined: it is a new one. */
  editing?: string | undefined
  /** When that was changed last. */
  seen?: number
  error?: FormError
  counted?: Counted
}

/** Characters of a rule that a form can send back. */
const ruleMost = 80_000

/** The form of an audience: its rule as JSON, beside which scripts put a builder. */
export async function AudienceForm({ c, typed, editing, seen, error, counted }: AudienceFormProps) {
  // What was typed came by a form.
  const isCut = c.req.method === 'GET' && typed.rule.length > ruleMost
  const here = editing === undefined ? '/console/audiences/-/new' : audiencePath(editing)
  const up =
    editing === undefined
      ? { name: 'Audiences', path: '/console/audiences' }
      : { name: typed.name || editing, path: here }
  return (
    <Page
      c={c}
      title={editing === undefined ? 'New audience' : 'Change the audience'}
      about="Say who belongs to it; count them before you save."
      up={up}
    >
      <Refused error={error} />
      {isCut && (
        <p class="note wait">This rule is too long for this form. Change it over the API.</p>
      )}
      <form method="post" action={editing === undefined ? here : `${here}/edit`}>
        <FormToken c={c} />
        <Seen c={c} at={seen} />
        {editing !== undefined && <input type="hidden" name="editing" value={editing} />}
        <TextField name="name" label="Name" value={typed.name} error={error} isRequired />
        <TextField
          name="description"
          label="Description"
          help="What the audience is for. Optional."
          value={typed.description}
          error={error}
        />
        {editing === undefined && (
          <TextField
            name="id"
            label="Id"
            help="What programs call it. Optional: left empty, one is made."
            value={typed.id}
            error={error}
          />
        )}
        <RuleField rule={isCut ? typed.rule.slice(0, ruleMost) : typed.rule} error={error} />
        <Matches c={c} counted={counted} />
        <RefreshField refresh={typed.refresh} />
        <button class="main">
          {editing === undefined ? 'Create the audience' : 'Save the audience'}
        </button>
      </form>
      <Offers c={c} />
    </Page>
  )
}

const example =
  'Such as {"operator": "equals", "attribute": "has_dog", "value": true}; ' +
  '“and” and “or” have “expressions”. The reference lists all operators.'

/** The rule as JSON, and the builder's place beside it. */
const RuleField = ({ rule, error }: { rule: string; error: FormError | undefined }) => (
  <div class="beside">
    <Script name="rule-builder" />
    <fieldset data-rule="rule" hidden>
      <legend>Who belongs to it</legend>
    </fieldset>
    <Field name="rule" label="The rule as JSON" help={example} error={error}>
      <textarea
        id="rule"
        name="rule"
        rows={Math.min(32, Math.max(12, rule.split('\n').length))}
        spellcheck={false}
        aria-describedby={error?.field === 'rule' ? 'rule-help rule-wrong' : 'rule-help'}
        aria-invalid={error?.field === 'rule' ? 'true' : undefined}
      >
        {`\n${rule}`}
      </textarea>
    </Field>
  </div>
)

/** How many match, and the first ten of them. */
function Matches({ c, counted }: { c: Context<Http>; counted: Counted | undefined }) {
  if (!may(c, explainScopes)) return <></>
  const { next } = counted ?? {}
  const ask = { formaction: '/console/audiences/-/count', formnovalidate: true }
  return (
    <div class="note" id="matches" aria-live="polite">
      {counted === undefined ? (
        <p>How many users match is counted here before anything is saved.</p>
      ) : (
        <MatchCount counted={counted} max={c.var.res.limits.ruleCostMax} />
      )}
      <p>
        <button {...ask}>Count who matches</button>{' '}
        {next !== undefined && (
          <button {...ask} name="continue" value={next.token}>
            Go on counting
          </button>
        )}
      </p>
    </div>
  )
}

function MatchCount({ counted, max }: { counted: Counted; max: number }) {
  const { all, scanned, sample, cost, next } = counted
  return (
    <>
      <p class="strong">
        <Count of={all} /> {all === 1 ? 'user matches' : 'users match'}
        {next !== undefined && (
          <>
            {' '}
            so far, of <Count of={scanned} /> that were looked at
          </>
        )}
      </p>
      {sample.length > 0 && (
        <p>
          {all > sample.length ? 'Among them ' : ''}
          <Ids of={sample} />
        </p>
      )}
      <p class="soft">
        The rule costs <Cost is={cost} max={max} />.
      </p>
    </>
  )
}

const RefreshField = ({ refresh }: { refresh: string }) => (
  <Field
    name="refresh"
    label="Fills its group"
    help="When its group is filled again, once it is attached to one."
  >
    <select id="refresh" name="refresh" aria-describedby="refresh-help">
      {[
        ['on_demand', 'By hand'],
        ['daily', 'Every day at 04:00 UTC'],
        ['weekly', 'Every Monday, when households are formed'],
      ].map(([value, label]) => (
        <option value={value} selected={value === refresh}>
          {label}
        </option>
      ))}
    </select>
  </Field>
)

const offeredMost = 100

/** What the builder offers: names that rules may use. */
async function Offers({ c }: { c: Context<Http> }) {
  const { replica, workspace } = c.var
  const [definitions, groups, audiences] = await Promise.all([
    may(c, 'groups:read') ? listDefinitions(replica, workspace) : [],
    groupsByName(c, offeredMost),
    may(c, 'audiences:read')
      ? listAudiences(replica, workspace, { after: '', size: offeredMost })
      : [],
  ])
  const attributes = definitions.flatMap(({ id, source, attributes }) => [
    source,
    ...attributes.flatMap((shared) => [`${id}:${shared.id}`, shared.id]),
  ])
  const options = (name: string, of: { id: string; name?: string }[]) => (
    <datalist id={`offered-${name}`}>
      {of.map(({ id, name }) => (
        <option value={id}>{name}</option>
      ))}
    </datalist>
  )
  return (
    <>
      {options(
        'attributes',
        [...new Set(attributes)].map((id) => ({ id })),
      )}
      {options(
        'definitions',
        definitions.map(({ id }) => ({ id })),
      )}
      {options('groups', groups)}
      {options('audiences', audiences)}
    </>
  )
}
