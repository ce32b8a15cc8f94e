import type { Context } from 'hono'
import { percentOfRun, type Run } from '../../../identity/runs.ts'
import type { Http } from '../../http.ts'
import { Columns, type Measure } from './columns.tsx'
import { may, Page } from '../parts/page.tsx'
import { Facts, Section, Status, type Fact, type Tone } from '../parts/blocks.tsx'
import { count, Count, plural, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { definitionPath, householdPath, runPath } from '../paths.ts'
import { Text } from '../parts/value.tsx'

/** Columns of the chart, and recomputes of a page. */
const chartedMost = 24
export const runsOfPage = 12

const states: Record<Run['state'], [Tone, string]> = {
  waiting: ['none', 'Waiting'],
  normalizing: ['wait', 'Reading values'],
  running: ['wait', 'Under way'],
  successful: ['good', 'Done'],
  failed: ['bad', 'Failed'],
  cancelled: ['none', 'Cancelled'],
}

export const StatusOf = ({ of: { state } }: { of: Run }) => (
  <Status tone={states[state][0]}>{states[state][1]}</Status>
)

/** What a recompute is called: that of a Monday by its week. */
const nameOf = ({ week }: Run): string => {
  const [year, number] = (week ?? '').split('-W')
  return number === undefined ? 'On request' : `Week ${Number(number)}, ${year ?? ''}`
}

const duration = ({ startedAt, endedAt }: Run): number =>
  startedAt === null || endedAt === null ? 0 : endedAt - startedAt

/** How long something took. */
function lasted(ms: number): string {
  if (ms < 100) return `${ms} ms`
  if (ms < 120_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  return `${count(Math.round(ms / 60_000))} min`
}

/** The last recomputes that have ended, drawn by what they did. */
export function RunsChart({ runs }: { runs: Run[] }) {
  const ended = runs.filter(({ endedAt, startedAt }) => endedAt !== null && startedAt !== null)
  if (ended.length < 2) return <></>
  const shown = ended.slice(0, chartedMost).reverse()
  const measure = (name: string, of: (run: Run) => number, say?: Measure['say']) => (
    <Columns
      name={name}
      columns={shown.map((run) => ({ label: nameOf(run), value: of(run), tone: toneOf(run) }))}
      {...(say !== undefined && { say })}
    />
  )
  return (
    <>
      <div class="charts">
        {measure('In households', ({ seated }) => seated)}
        {measure('Over the limit', ({ overLimit }) => overLimit)}
        {measure('Changed', ({ changed }) => changed)}
        {measure('Took', duration, lasted)}
      </div>
      <p class="help">
        The last {count(shown.length)} recomputes, oldest first
        {shown.some(({ week }) => week === null) && '; those on request are grey'}
        {shown.some(({ state }) => state !== 'successful') &&
          '; those that did not end well are red'}
        .
      </p>
    </>
  )
}

const toneOf = ({ state, week }: Run) =>
  state !== 'successful' ? 'bad' : week === null ? 'b' : 'a'

export const RunsTable = ({ c, definition, runs }: DefinitionRuns) => {
  const now = c.var.res.now()
  const number = (name: string, of: (run: Run) => number) => ({
    name,
    isNumber: true,
    cell: (run: Run) => <Count of={of(run)} />,
  })
  return (
    <Table
      label="Recomputes"
      rows={runs}
      columns={[
        {
          name: 'Recompute',
          cell: (run) => <a href={runPath(definition, run)}>{nameOf(run)}</a>,
        },
        { name: 'Asked', cell: ({ createdAt }) => <When at={createdAt} now={now} /> },
        { name: 'Status', cell: (run) => <StatusOf of={run} /> },
        number('Households', ({ groups }) => groups),
        number('In households', ({ seated }) => seated),
        number('Over the limit', ({ overLimit }) => overLimit),
        number('Changed', ({ changed }) => changed),
        {
          name: 'Took',
          isNumber: true,
          cell: (run) => (run.endedAt === null ? '–' : lasted(duration(run))),
        },
      ]}
    />
  )
}

interface DefinitionRuns {
  c: Context<Http>
  definition: string
  runs: Run[]
}

/** How far a recompute is; a page shows it within a part that is live. */
export function Progress({ definition, run }: { definition: string; run: Run }) {
  const percent = percentOfRun(run)
  return (
    <div class="note wait">
      <p class="strong" id="progress-name">
        {run.state === 'waiting'
          ? 'A recompute waits for its turn'
          : `A recompute is under way: ${percent}%`}
      </p>
      <progress max={100} value={percent} aria-labelledby="progress-name">
        {percent}%
      </progress>
      <p>
        {plural(run.seated, 'user')} in {plural(run.groups, 'household')} so far. Until a household
        is reached, it is as it was. You may leave this page: it goes on.{' '}
        <a href={runPath(definition, run)}>Look again</a>
      </p>
    </div>
  )
}

/** The values that more users have than a household takes. */
export function Largest({ definition, run }: { definition: string; run: Run }) {
  const largest = run.largest ?? []
  if (largest.length === 0) return <></>
  const most = Math.max(...largest.map(({ users }) => users))
  return (
    <Section title="Largest values">
      <p class="help">
        More users have these than a household takes. If such a value means “none”, change the
        definition to leave it out.
      </p>
      <Table
        label="Largest values"
        rows={largest}
        columns={[
          {
            name: 'Value',
            cell: ({ value }) => (
              <a href={householdPath(definition, value)}>
                <Text of={value} />
              </a>
            ),
          },
          { name: 'Users', isNumber: true, cell: ({ users }) => <Count of={users} /> },
          {
            name: 'Drawn',
            cell: ({ users }) => (
              <svg width="120" height="12" aria-hidden="true">
                <rect class="a" width={Math.max(2, Math.round((120 * users) / most))} height="12" />
              </svg>
            ),
          },
        ]}
      />
    </Section>
  )
}

export function RunPage({ c, definition, run }: Omit<DefinitionRuns, 'runs'> & { run: Run }) {
  const now = c.var.res.now()
  const isOver = run.endedAt !== null
  return (
    <Page
      c={c}
      title={
        run.week === null ? 'Recompute on request' : `Recompute of ${nameOf(run).toLowerCase()}`
      }
      about={
        <>
          Forms the households of <bdi>{definition}</bdi> again.
        </>
      }
      up={{ name: definition, path: definitionPath(definition) }}
    >
      <div id="run" data-live={isOver ? undefined : 'true'}>
        {!isOver && <Progress definition={definition} run={run} />}
        {run.state === 'failed' && (
          <div class="note bad">
            <p class="strong">It failed at {percentOfRun(run)}%</p>
            <p>
              The households that it had reached are right, the others are as they were. Recompute
              again. If it fails again, tell whoever runs this installation.
            </p>
          </div>
        )}
        <Facts
          of={[
            ['Status', <StatusOf of={run} />],
            ['Asked', <When at={run.createdAt} now={now} />],
            ...(run.endedAt === null
              ? []
              : ([
                  ['Ended', <When at={run.endedAt} now={now} />],
                  ['Took', lasted(duration(run))],
                ] satisfies Fact[])),
            ['Households', <Count of={run.groups} />],
            ['Users in households', <Count of={run.seated} />],
            ['Users over the limit', <Count of={run.overLimit} />],
            ['Users without a value', <Count of={run.withoutValue} />],
            ['Changed', <Count of={run.changed} />],
          ]}
        />
      </div>
      {may(c, 'users:read') && <Largest definition={definition} run={run} />}
    </Page>
  )
}
