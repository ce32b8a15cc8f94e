import type { Context } from 'hono'
import { eligibleOf } from '../../../experiments/eligible.ts'
import { isUnderWay } from '../../../experiments/change.ts'
import type { WithForced } from '../../../experiments/experiments.ts'
import { listDefinitions, type GroupDefinition } from '../../../identity/definitions.ts'
import type { Http } from '../../http.ts'
import { GroupField, groupsByName, nameOfGroup } from '../parts/choose-group.tsx'
import type { Typed } from './typed.ts'
import { may, Page } from '../parts/page.tsx'
import { Field, FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { Seen } from '../seen.tsx'
import { TrafficField } from './traffic.tsx'
import { VariantRows } from './variant-rows.tsx'

interface ExperimentFormProps {
  c: Context<Http>
  typed: Typed
  /** The experiment that is changed; undefined: it is a new one. */
  before?: WithForced | undefined
  error?: FormError
}

/** The form of an experiment. */
export async function ExperimentForm({ c, typed, before, error }: ExperimentFormProps) {
  const groups = await groupsByName(c)
  const { lines } = typed
  const path = `/console/experiments/${before === undefined ? '-/new' : `${encodeURIComponent(before.id)}/edit`}`
  const group = groups.find(({ id, name }) => id === lines.group_id || name === lines.group_id)
  const none = { layer: null, holdout: null }
  const people = group && eligibleOf(before ?? none, group.participantCount)
  return (
    <Page
      c={c}
      title={before === undefined ? 'New experiment' : 'Change the experiment'}
      about={
        before === undefined
          ? 'It is a draft until you start it: nobody sees anything of it.'
          : 'What you do not change here stays as it is.'
      }
      up={
        before === undefined
          ? { name: 'Experiments', path: '/console/experiments' }
          : { name: before.name, path: path.replace(/\/edit$/, '') }
      }
    >
      <Refused error={error} />
      <form method="post" action={path}>
        <FormToken c={c} />
        <Seen c={c} at={before?.updatedAt} />
        <Naming typed={typed} isNew={before === undefined} error={error} />
        <GroupField
          name="group_id"
          label="Group"
          help="Its participants take part. Left empty, everybody does."
          groups={groups}
          value={nameOfGroup(groups, lines.group_id)}
          error={error}
        />
        <UnitField c={c} unit={lines.unit} error={error} />
        <KindField kind={lines.kind} isNew={before === undefined} />
        <VariantRows typed={typed} error={error} />
        <TrafficField value={lines.traffic} people={people} error={error} />
        <LayerAndHoldout lines={lines} error={error} />
        {before !== undefined && isUnderWay(before) && <NewVersion before={before} />}
        <button class="main">
          {before === undefined ? 'Create the draft' : 'Save the experiment'}
        </button>
      </form>
    </Page>
  )
}

const Naming = ({
  typed: { lines },
  isNew,
  error,
}: {
  typed: Typed
  isNew: boolean
  error: FormError | undefined
}) => (
  <>
    <TextField name="name" label="Name" value={lines.name} error={error} isRequired />
    {isNew && (
      <TextField
        name="id"
        label="Id"
        help="What programs call it: 3 to 64 of a–z, 0–9, _ . and -, such as new-checkout."
        value={lines.id}
        error={error}
        isRequired
      />
    )}
    <TextField
      name="description"
      label="Description"
      help="What you want to find out. Optional."
      value={lines.description}
      error={error}
    />
  </>
)

async function UnitField(props: { c: Context<Http>; unit: string; error: FormError | undefined }) {
  const { c, unit, error } = props
  const { replica, workspace } = c.var
  const definitions: Pick<GroupDefinition, 'id'>[] =
    may(c, 'users:read') && may(c, 'groups:read') ? await listDefinitions(replica, workspace) : []
  const ids = [...new Set(['participant', ...definitions.map(({ id }) => id), unit])]
  return (
    <Field
      name="unit"
      label="What is drawn"
      help="Each participant alone, or whole households, whose members all get one variant."
      error={error}
    >
      <select id="unit" name="unit" aria-describedby="unit-help">
        {ids.map((id) => (
          <option value={id} selected={id === unit}>
            {id === 'participant' ? 'Each participant' : `Each ${id}`}
          </option>
        ))}
      </select>
    </Field>
  )
}

const kinds = [
  ['string', 'Texts'],
  ['boolean', 'true or false'],
  ['number', 'Numbers'],
  ['object', 'JSON objects'],
]

const KindField = ({ kind, isNew }: { kind: string; isNew: boolean }) =>
  isNew ? (
    <Field
      name="kind"
      label="Values are"
      help="What programs get of a variant. Their kind never changes."
    >
      <select id="kind" name="kind" aria-describedby="kind-help">
        {kinds.map(([value, label]) => (
          <option value={value} selected={value === kind}>
            {label}
          </option>
        ))}
      </select>
    </Field>
  ) : (
    <input type="hidden" name="kind" value={kind} />
  )

function LayerAndHoldout({
  lines,
  error,
}: {
  lines: Typed['lines']
  error: FormError | undefined
}) {
  const field = (name: keyof Typed['lines'], label: string, help?: string) => (
    <TextField
      name={name}
      label={label}
      value={lines[name]}
      error={error}
      {...(help && { help })}
    />
  )
  const isOpen =
    lines['layer.id'] !== '' ||
    lines['holdout.id'] !== '' ||
    /^(layer|holdout)/.test(error?.field ?? '')
  return (
    <details class="field" open={isOpen}>
      <summary>Layer and holdout</summary>
      {field(
        'layer.id',
        'Layer',
        'Experiments with other parts of one layer never share a person.',
      )}
      {field('layer.from', 'From %')}
      {field('layer.to', 'To %')}
      {field('holdout.id', 'Holdout', 'Who is held out takes part in none of its experiments.')}
      {field('holdout.share', 'Share in %')}
    </details>
  )
}

const NewVersion = ({ before: { version, status } }: { before: WithForced }) => (
  <div class="danger-zone field">
    <label class="check">
      <input type="checkbox" name="new_version" value="yes" /> Draw everybody anew, as version{' '}
      {version + 1}
    </label>
    <p class="help">
      The experiment is {status}. Ids and shares of variants, what is drawn, the group, the layer
      and the holdout change only with this. People then get other variants, and what they saw of
      version {version} no longer counts.
    </p>
  </div>
)
