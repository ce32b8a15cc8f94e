import type { Needs } from '../../../access/scopes.ts'
import { sizesFrom } from '../../../identity/forecast.ts'
import { percentOfPreview, type Preview } from '../../../identity/previews.ts'
import { Facts, Section, Status } from '../parts/blocks.tsx'
import { count, Count, plural } from '../parts/figures.tsx'
import { Table, type Column } from '../parts/table.tsx'
import { listed, Text } from '../parts/value.tsx'

/** It is asked by who makes definitions, and shows values of users and their ids. */
export const previewing: Needs = ['groups:read', 'groups:write', 'users:read']

export const previewPath = '/console/households/-/preview'

/** What a definition that is not saved would form, as far as it is counted. */
export function PreviewOf({ preview }: { preview: Preview }) {
  const { forecast, samples, state, id } = preview
  const { users, withoutValue, withList, overLimit, groups } = forecast
  const isComplete = state === 'complete'
  return (
    <Section title="What would form">
      <p role="status">
        <Status tone={isComplete ? 'good' : 'wait'}>
          {isComplete ? 'All is counted' : `${percentOfPreview(preview)} % is counted`}
        </Status>{' '}
        {!isComplete && (
          <button name="preview" value={id} formaction={previewPath} formnovalidate>
            Count on
          </button>
        )}
      </p>
      <Facts
        of={[
          ['Households', <Count of={groups} />],
          ['Users in them', <Count of={users - overLimit} />],
          ['Over the limit', <Count of={overLimit} />],
          ['Without a value', <Count of={withoutValue} />],
          ['With a list', <Count of={withList} />],
        ]}
      />
      <Sizes preview={preview} />
      <Values label="The largest households" values={forecast.largest} />
      <Values label="Values that mean there is none" values={forecast.none} />
      <Samples samples={samples} />
    </Section>
  )
}

function Titled<Row>(props: { label: string; rows: Row[]; columns: Column<Row>[] }) {
  if (props.rows.length === 0) return <></>
  return (
    <>
      <h3>{props.label}</h3>
      <Table {...props} />
    </>
  )
}

const Sizes = ({ preview: { forecast } }: { preview: Preview }) => (
  <Titled
    label="Households by size"
    rows={forecast.sizes
      .map((size, i) => ({ ...size, said: sizeOf(i) }))
      .filter(({ groups }) => groups > 0)}
    columns={[
      { name: 'Users who have the value', cell: ({ said }) => said },
      { name: 'Households', isNumber: true, cell: ({ groups }) => <Count of={groups} /> },
      { name: 'Users', isNumber: true, cell: ({ users }) => <Count of={users} /> },
    ]}
  />
)

function sizeOf(index: number): string {
  const [from = 0, next] = sizesFrom.slice(index)
  if (next === undefined) return `${count(from)} or more`
  return next === from + 1 ? count(from) : `${count(from)} to ${count(next - 1)}`
}

interface ValuesProps {
  label: string
  values: { value: string; users: number }[]
}

const Values = ({ label, values }: ValuesProps) => (
  <Titled
    label={label}
    rows={values}
    columns={[
      { name: 'Value', cell: ({ value }) => <Text of={value} /> },
      { name: 'Users', isNumber: true, cell: ({ users }) => <Count of={users} /> },
    ]}
  />
)

const Samples = ({ samples }: Pick<Preview, 'samples'>) => (
  <Titled
    label="Some households"
    rows={samples}
    columns={[
      { name: 'Value', cell: ({ value }) => <Text of={value} /> },
      { name: 'Users', cell: ({ users, some }) => membersOf(users, some) },
    ]}
  />
)

const membersOf = (users: number, some: string[]) =>
  users > some.length
    ? `${some.join(', ')} and ${plural(users - some.length, 'other')}`
    : listed(some)
