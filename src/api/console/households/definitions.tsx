import type { Context } from 'hono'
import type { GroupDefinition } from '../../../identity/definitions.ts'
import type { Preview } from '../../../identity/previews.ts'
import type { Run } from '../../../identity/runs.ts'
import type { Http } from '../../http.ts'
import { DefinitionForm } from './definition-form.tsx'
import type { Typed } from './definition-typed.ts'
import { may, Page } from '../parts/page.tsx'
import { hrefWith, paged, PageLinks, pageNumber } from '../parts/page-links.tsx'
import { Empty } from '../parts/blocks.tsx'
import type { FormError } from '../parts/fields.tsx'
import { Count, plural, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { definitionPath } from '../paths.ts'
import { StatusOf } from './runs.tsx'
import { Text } from '../parts/value.tsx'

export const up = { name: 'Households', path: '/console/households' }

interface DefinitionsProps {
  c: Context<Http>
  definitions: GroupDefinition[]
  /** The last of each, by its key. */
  runs: Map<number, Run>
}

const size = 20

export function Definitions({ c, definitions, runs }: DefinitionsProps) {
  const page = pageNumber(c)
  const total = definitions.length
  const rows = paged(definitions, page, size).map((definition) => ({
    definition,
    last: runs.get(definition.key),
  }))
  const { definitionsMax } = c.var.res.limits
  return (
    <Page
      c={c}
      title="Households"
      about="Groups that form themselves of users who have the same value of an attribute."
      action={
        may(c, 'groups:write') &&
        total < definitionsMax && (
          <a class="button main" href="/console/households/-/new">
            New definition
          </a>
        )
      }
    >
      {total === 0 ? (
        <Empty title="There is no definition yet">
          <p>
            A definition says which attribute the users of a household have in common, such as an
            address, and what they share, such as an income.
          </p>
        </Empty>
      ) : (
        <DefinitionsTable rows={rows} now={c.var.res.now()} />
      )}
      {total >= definitionsMax && (
        <p class="help">A workspace can have {plural(definitionsMax, 'definition')} at most.</p>
      )}
      <PageLinks {...{ page, size, total }} href={(page) => hrefWith(up.path, { page })} />
    </Page>
  )
}

interface TableProps {
  rows: { definition: GroupDefinition; last: Run | undefined }[]
  now: number
}

const DefinitionsTable = ({ rows, now }: TableProps) => (
  <Table
    label="Definitions"
    rows={rows}
    columns={[
      {
        name: 'Definition',
        cell: ({ definition: { id } }) => (
          <a href={definitionPath(id)}>
            <bdi>{id}</bdi>
          </a>
        ),
      },
      { name: 'Users share', cell: ({ definition }) => <Text of={definition.source} /> },
      {
        name: 'Households',
        isNumber: true,
        cell: ({ last }) => (last === undefined ? '–' : <Count of={last.groups} />),
      },
      {
        name: 'Users',
        isNumber: true,
        cell: ({ last }) => (last === undefined ? '–' : <Count of={last.seated} />),
      },
      {
        name: 'Last recompute',
        cell: ({ last }) =>
          last === undefined ? (
            'not yet'
          ) : (
            <>
              <When at={last.createdAt} now={now} /> <StatusOf of={last} />
            </>
          ),
      },
    ]}
  />
)

interface DefinitionFormProps {
  c: Context<Http>
  typed: Typed
  error?: FormError
  preview?: Preview
}

export const NewDefinition = ({ c, typed, error, preview }: DefinitionFormProps) => (
  <Page
    c={c}
    title="New definition"
    about="Its first households form on Monday, when you recompute, or at once if you choose so."
    up={up}
  >
    <DefinitionForm c={c} typed={typed} error={error} preview={preview} isNew />
  </Page>
)

export const ChangeDefinition = ({
  c,
  typed,
  error,
  seen,
}: DefinitionFormProps & { seen?: number }) => (
  <Page
    c={c}
    title={`Change ${typed.id}`}
    about="An attribute that you remove is gone at once. Other changes count from the next recompute on."
    up={{ name: typed.id, path: definitionPath(typed.id) }}
  >
    <DefinitionForm c={c} typed={typed} error={error} isNew={false} seen={seen} />
  </Page>
)
