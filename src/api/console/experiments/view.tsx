import type { Context } from 'hono'
import type { Group } from '../../../experience/groups.ts'
import type { Balance } from '../../../experiments/balance.ts'
import { eligibleOf } from '../../../experiments/eligible.ts'
import { isUnderWay } from '../../../experiments/change.ts'
import type { WithForced } from '../../../experiments/experiments.ts'
import type { Exposed, ExposedDay } from '../../../experiments/exposure-counts.ts'
import { shards } from '../../../experiments/shard.ts'
import { stringifyJson } from '../../../json.ts'
import type { Http } from '../../http.ts'
import { Confirm } from '../parts/confirm.tsx'
import { Explanation, type Explained } from './explain.tsx'
import { ShownBalance, ShownExposures } from './numbers.tsx'
import { mayChange } from './edit.tsx'
import { percentOf } from './typed.ts'
import { statuses } from './status.ts'
import { may, Page } from '../parts/page.tsx'
import { Facts, Section, Status } from '../parts/blocks.tsx'
import { FormToken, Refused } from '../parts/fields.tsx'
import { Count, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import type { FormError } from '../parts/fields.tsx'
import { Ids } from '../parts/value.tsx'
import { ShareBar } from './share-bar.tsx'
import { TrafficField } from './traffic.tsx'
import { experimentPath, groupPath } from '../paths.ts'

/** What is shown of an experiment. */
export interface Shown {
  experiment: WithForced
  /** Undefined also where who is signed in may not see it. */
  group: Group | undefined
  /** Of an experiment with a group. */
  balance: Balance | undefined
  exposed: Exposed & { days: ExposedDay[] }
  explanation: Explained | undefined
  error: FormError | undefined
}

interface ShownProps extends Shown {
  c: Context<Http>
}

export function ExperimentView(props: ShownProps) {
  const { c, experiment, error, balance, exposed, explanation } = props
  return (
    <Page
      c={c}
      title={experiment.name}
      about={
        experiment.description ?? 'It gives each participant one of its variants, always the same.'
      }
      action={<Actions {...props} />}
      up={{ name: 'Experiments', path: '/console/experiments' }}
    >
      <Refused error={error} />
      <ExperimentFacts {...props} />
      <Variants experiment={experiment} />
      <Traffic {...props} />
      {balance !== undefined && <ShownBalance c={c} balance={balance} />}
      <ShownExposures c={c} exposed={exposed} />
      <Explanation path={experimentPath(experiment.id)} explained={explanation} />
      {may(c, 'experiments:write') && <Endings {...props} />}
    </Page>
  )
}

const steps = {
  draft: ['running', 'Start the experiment'],
  running: ['paused', 'Pause it'],
  paused: ['running', 'Let it go on'],
} as const

function Actions({ c, experiment }: ShownProps) {
  const { status } = experiment
  if (!may(c, 'experiments:write')) return <></>
  const step = status === 'ended' ? undefined : steps[status]
  return (
    <>
      {mayChange(c, experiment) && (
        <a class="button" href={`${experimentPath(experiment.id)}/edit`}>
          Change
        </a>
      )}
      {step !== undefined && (
        <form method="post" action={`${experimentPath(experiment.id)}/status`} id="status">
          <FormToken c={c} />
          <button class={status === 'running' ? '' : 'main'} name="to" value={step[0]}>
            {step[1]}
          </button>
        </form>
      )}
    </>
  )
}

function ExperimentFacts({ c, experiment, group }: ShownProps) {
  const { status, unit, version, layer, holdout, updatedAt, updatedBy } = experiment
  const [tone, word] = statuses[status]
  return (
    <Facts
      of={[
        ['Status', <Status tone={tone}>{word}</Status>],
        ['Id', <bdi class="id">{experiment.id}</bdi>],
        [
          'Group',
          experiment.group === null ? 'Everybody' : <GroupLink {...{ experiment, group }} />,
        ],
        [
          'What is drawn',
          unit === null ? (
            'Each participant'
          ) : (
            <>
              Each <bdi>{unit}</bdi>
            </>
          ),
        ],
        ['Version', <Count of={version} />],
        ...(layer === null
          ? []
          : [
              ['Layer', `${layer.id}, ${percentOf(layer.from)} to ${percentOf(layer.to)} %`] as [
                string,
                string,
              ],
            ]),
        ...(holdout === null
          ? []
          : [['Holdout', `${holdout.id}, ${percentOf(holdout.share)} %`] as [string, string]]),
        [
          'Last change',
          <>
            <When at={updatedAt} now={c.var.res.now()} /> by <bdi>{updatedBy}</bdi>
          </>,
        ],
      ]}
    />
  )
}

const GroupLink = ({ experiment, group }: Pick<Shown, 'experiment' | 'group'>) => (
  <a href={groupPath(experiment.group ?? '')}>
    <bdi>{group?.name ?? experiment.group}</bdi>
  </a>
)

const forcedShown = 20

const Variants = ({ experiment: { variants, control, forced } }: { experiment: WithForced }) => (
  <Section title="Variants">
    <Table
      label="Variants"
      rows={variants}
      columns={[
        {
          name: 'Variant',
          cell: ({ id }) => (
            <>
              <bdi class="id">{id}</bdi> {id === control && <span class="soft">(control)</span>}
            </>
          ),
        },
        { name: 'Share', isNumber: true, cell: ({ from, to }) => `${percentOf(to - from)}\u00a0%` },
        {
          name: 'Of those who take part',
          cell: ({ from, to }) => <ShareBar part={to - from} of={shards} />,
        },
        { name: 'Value', cell: ({ value }) => <bdi class="id">{stringifyJson(value)}</bdi> },
        { name: 'Forced on', cell: ({ id }) => <ForcedOn ids={forced.get(id) ?? []} /> },
      ]}
    />
  </Section>
)

const ForcedOn = ({ ids }: { ids: string[] }) =>
  ids.length === 0 ? <span class="soft">nobody</span> : <Ids of={ids} most={forcedShown} />

function Traffic({ c, experiment, group, error }: ShownProps) {
  const value = percentOf(experiment.traffic)
  const typed = c.req.method === 'POST' ? c.var.form.get('traffic') : null
  const people = group && eligibleOf(experiment, group.participantCount)
  if (experiment.status === 'ended' || !mayChange(c, experiment))
    return (
      <Section title="Traffic">
        <p>
          {value} % of those who could take part {experiment.status === 'ended' ? 'took' : 'take'}{' '}
          part.
        </p>
      </Section>
    )
  return (
    <Section title="Traffic">
      <form method="post" action={`${experimentPath(experiment.id)}/traffic`}>
        <FormToken c={c} />
        <TrafficField value={typed ?? value} people={people} error={error} />
        <button>Set the traffic</button>
      </form>
    </Section>
  )
}

function Endings({ c, experiment, exposed, group, error }: ShownProps) {
  const seen = exposed.variants.reduce((sum, { observed }) => sum + observed, 0)
  const path = experimentPath(experiment.id)
  if (isUnderWay(experiment))
    return (
      <Confirm
        {...{ c, error, field: 'end', to: 'ended', action: `${path}/status` }}
        title="End the experiment"
        button="End it for good"
        warning={
          <>
            Nobody has a variant from then on: all get the value of the control
            {group !== undefined && (
              <>
                , the <Count of={group.participantCount} /> participants of the group among them
              </>
            )}
            . What was seen stays. It cannot be started again.
          </>
        }
      />
    )
  return (
    <Confirm
      {...{ c, error, action: `${path}/delete` }}
      title="Delete the experiment"
      button="Delete the experiment"
      warning={
        <>
          It is gone for good, and with it who saw its variants: <Count of={seen} />{' '}
          {seen === 1 ? 'person' : 'people'}.
        </>
      }
    />
  )
}
