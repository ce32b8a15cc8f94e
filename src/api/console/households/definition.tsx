import type { Context } from 'hono'
import type { GroupDefinition } from '../../../identity/definitions.ts'
import { inheritedName } from '../../../identity/profiles.ts'
import type { Run } from '../../../identity/runs.ts'
import type { Http } from '../../http.ts'
import { up } from './definitions.tsx'
import { LookForm } from './look.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { may, Page } from '../parts/page.tsx'
import { hrefWith, paged, PageLinks, pageNumber } from '../parts/page-links.tsx'
import { Empty, Facts, Section } from '../parts/blocks.tsx'
import { FormToken, Refused, type FormError } from '../parts/fields.tsx'
import { Count, plural, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { correctionsPath, definitionPath } from '../paths.ts'
import { Largest, Progress, RunsChart, runsOfPage, RunsTable } from './runs.tsx'
import { Text } from '../parts/value.tsx'
import { sharedAs } from '../people/why.tsx'

interface DefinitionPageProps {
  c: Context<Http>
  definition: GroupDefinition
  /** Newest first. */
  runs: Run[]
  error?: FormError
}

export function DefinitionPage({ c, definition, runs, error }: DefinitionPageProps) {
  const { id, description } = definition
  const isEditor = may(c, 'groups:write')
  const going = runs.findLast(({ endedAt }) => endedAt === null)
  const last = runs.find(({ state }) => state === 'successful')
  return (
    <Page
      c={c}
      title={id}
      about={description === '' ? 'A definition of households.' : description}
      action={isEditor && <Actions c={c} id={id} />}
      up={up}
    >
      <Refused error={error} />
      {going !== undefined && (
        <div id="run" data-live="true">
          <Progress definition={id} run={going} />
        </div>
      )}
      <FactsOf c={c} definition={definition} last={last} />
      <Shared definition={definition} />
      {may(c, 'users:read') && (
        <Section title="Look into a household">
          <LookForm definition={id} />
        </Section>
      )}
      <Section title="Recomputes">
        {runs.length === 0 ? (
          <Empty title="Not recomputed yet">
            <p>
              {definition.refresh === null
                ? 'The first recompute is on Monday at 03:00 UTC, or when you ask for one.'
                : 'The first recompute begins within seconds, or when you ask for one.'}
            </p>
          </Empty>
        ) : (
          <Recomputes c={c} id={id} runs={runs} />
        )}
      </Section>
      {may(c, 'users:read') && last !== undefined && <Largest definition={id} run={last} />}
      {isEditor && <Delete {...{ c, definition, last, error }} />}
    </Page>
  )
}

const Actions = ({ c, id }: { c: Context<Http>; id: string }) => (
  <>
    {may(c, 'users:read') && (
      <a class="button" href={correctionsPath(id)}>
        Corrections
      </a>
    )}
    <a class="button" href={`${definitionPath(id)}/change`}>
      Change
    </a>
    <form method="post" action={`${definitionPath(id)}/recompute`}>
      <FormToken c={c} />
      <button class="main">Recompute now</button>
    </form>
  </>
)

interface FactsProps {
  c: Context<Http>
  definition: GroupDefinition
  last: Run | undefined
}

function FactsOf({ c, definition, last }: FactsProps) {
  const { source, matching, ignoreValues, refresh, updatedAt, updatedBy } = definition
  const now = c.var.res.now()
  return (
    <Facts
      of={[
        ['Users share', <Text of={source} />],
        ['Values are compared', matching === null ? 'exactly' : 'without capitals and spaces'],
        [
          'Values left out',
          ignoreValues === null ? 'the usual ones' : plural(ignoreValues.length, 'value'),
        ],
        ['Changes reach them', refresh === null ? 'every Monday' : 'within seconds'],
        ['Households', last === undefined ? 'none yet' : <Count of={last.groups} />],
        ['Users in them', last === undefined ? 'none yet' : <Count of={last.seated} />],
        [
          'Changed',
          <>
            <When at={updatedAt} now={now} /> by <bdi>{updatedBy}</bdi>
          </>,
        ],
      ]}
    />
  )
}

const Shared = ({ definition: { id, attributes } }: { definition: GroupDefinition }) => (
  <Section title="What they share">
    {attributes[0] === undefined ? (
      <p class="soft">Nothing: members are known to be together, and inherit no attribute.</p>
    ) : (
      <>
        <p class="help">
          Members inherit each under the name of the definition, such as{' '}
          <span class="id">
            <Text of={inheritedName(id, attributes[0].id)} />
          </span>
          .
        </p>
        <Table
          label="Shared attributes"
          rows={attributes}
          columns={[
            {
              name: 'Attribute',
              cell: (shared) => (
                <span class="id">
                  <Text of={shared.id} />
                </span>
              ),
            },
            { name: 'Shared as', cell: ({ type }) => sharedAs[type] },
          ]}
        />
      </>
    )}
  </Section>
)

function Recomputes({ c, id, runs }: { c: Context<Http>; id: string; runs: Run[] }) {
  const page = pageNumber(c)
  const list = { page, size: runsOfPage, total: runs.length }
  return (
    <>
      <RunsChart runs={runs} />
      <RunsTable c={c} definition={id} runs={paged(runs, page, runsOfPage)} />
      <PageLinks {...list} href={(page) => hrefWith(definitionPath(id), { page })} />
    </>
  )
}

interface DeleteProps extends FactsProps {
  error: FormError | undefined
}

function Delete({ c, definition: { id, attributes }, last, error }: DeleteProps) {
  return (
    <Confirm
      {...{ c, error, action: `${definitionPath(id)}/delete` }}
      title="Delete this definition"
      button="Delete this definition"
      warning={
        <>
          {last === undefined
            ? 'No household has formed by it yet.'
            : `${plural(last.groups, 'household')} of ${plural(last.seated, 'user')} dissolve.`}
          {attributes.length > 0 &&
            ` Nobody inherits ${plural(attributes.length, 'attribute')} of it any more.`}{' '}
          It cannot be undone.
        </>
      }
    />
  )
}
