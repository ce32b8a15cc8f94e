import type { Value } from '../../../identity/attributes.ts'
import { Table } from './table.tsx'
import { Short, Text } from './value.tsx'

interface AttributesProps {
  label: string
  rows: [name: string, value: Value][]
  /** The link beside a value, to where it comes from or to all of it. */
  linkOf: (name: string, value: Value) => { text: string; href: string } | undefined
}

export const Attributes = ({ label, rows, linkOf }: AttributesProps) => (
  <Table
    label={label}
    rows={rows}
    columns={[
      {
        name: 'Attribute',
        cell: ([name]) => (
          <span class="id">
            <Text of={name} />
          </span>
        ),
      },
      {
        name: 'Value',
        cell: ([name, value]) => (
          <>
            <Short of={value} /> <Link name={name} to={linkOf(name, value)} />
          </>
        ),
      },
    ]}
  />
)

const Link = ({ name, to }: { name: string; to: { text: string; href: string } | undefined }) =>
  to === undefined ? (
    <></>
  ) : (
    <a href={to.href}>
      {to.text}
      <span class="hidden">
        {' '}
        (<Text of={name} />)
      </span>
    </a>
  )
