import type { Context } from 'hono'
import { isUnshown, type Correction } from '../../../identity/corrections.ts'
import type { Http } from '../../http.ts'
import { may } from '../parts/page.tsx'
import { Section } from '../parts/blocks.tsx'
import { count, plural, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { correctionsPath, definitionPath, householdPath, personPath } from '../paths.ts'
import type { Person } from './person.ts'
import { Text } from '../parts/value.tsx'

/** Members of a household that are shown. */
const membersMost = 20

/** The households of a person, and who else is in them. */
export function HouseholdsOf({ c, person }: { c: Context<Http>; person: Person }) {
  const { id, profile, households } = person
  if (profile === undefined) return <></>
  const now = c.var.res.now()
  return (
    <Section title={households.length > 1 ? 'Households' : 'Household'}>
      {households.length === 0 && (
        <p class="soft">
          In none. Households form of users who have the same value of an attribute.
        </p>
      )}
      {households.map(({ definition, value, members, correction }) => (
        <div class="part">
          <p>
            {plural(members.length, 'member')} of{' '}
            {may(c, 'groups:read') ? (
              <a href={definitionPath(definition)}>
                <bdi>{definition}</bdi>
              </a>
            ) : (
              <bdi>{definition}</bdi>
            )}
            {isUnshown(value) ? (
              ', kept alone by hand'
            ) : (
              <>
                , who have <Text of={value} /> in common
              </>
            )}
          </p>
          <Corrected {...{ c, id, definition, correction }} />
          <Members members={members.slice(0, membersMost)} now={now} self={id} />
          {members.length > membersMost && (
            <p class="pages">
              <a href={householdPath(definition, value)}>All {count(members.length)} members</a>
            </p>
          )}
        </div>
      ))}
    </Section>
  )
}

/** Where somebody belongs by hand, and the way to say so. */
function Corrected({ c, id, definition, correction }: CorrectedProps) {
  const path = `${correctionsPath(definition)}?user=${encodeURIComponent(id)}`
  return (
    <p class="help">
      {correction !== null && (
        <>
          By hand: <Belongs correction={correction} />.{' '}
        </>
      )}
      {may(c, ['users:write', 'groups:write']) && <a href={path}>Correct this household</a>}
    </p>
  )
}

interface CorrectedProps {
  c: Context<Http>
  id: string
  definition: string
  correction: Correction | null
}

export function Belongs({ correction }: { correction: Correction }) {
  if ('with' in correction)
    return (
      <>
        with{' '}
        <a href={personPath(correction.with)}>
          <bdi>{correction.with}</bdi>
        </a>
      </>
    )
  if ('alone' in correction) return <>alone</>
  return (
    <>
      with those who have <Text of={correction.value} />
    </>
  )
}

interface MembersProps {
  members: { user: string; joinedAt: number }[]
  now: number
  /** Whose page it is. */
  self?: string
}

export const Members = ({ members, now, self }: MembersProps) => (
  <Table
    label="Members"
    rows={members}
    columns={[
      {
        name: 'Member',
        cell: ({ user }) =>
          user === self ? (
            <bdi>{user}</bdi>
          ) : (
            <a href={personPath(user)}>
              <bdi>{user}</bdi>
            </a>
          ),
      },
      { name: 'Joined', cell: ({ joinedAt }) => <When at={joinedAt} now={now} /> },
    ]}
  />
)
