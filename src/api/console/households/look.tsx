import type { Context } from 'hono'
import type { Value } from '../../../identity/attributes.ts'
import { isUnshown } from '../../../identity/corrections.ts'
import type { Household } from '../../../identity/households.ts'
import { inheritedName } from '../../../identity/profiles.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { Empty, Section } from '../parts/blocks.tsx'
import { count, Count, plural } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { attributePath, definitionPath, householdPath } from '../paths.ts'
import { Members } from '../people/households.tsx'
import { Attributes } from '../parts/attributes.tsx'
import { isLong, Short, shortened, Text, Whole } from '../parts/value.tsx'

/** Attributes of a household in the list of all, and members of one, that are shown. */
const sharedMost = 3
const membersMost = 200

/** Asks for a household by its value. */
export const LookForm = ({ definition, value }: { definition: string; value?: string }) => (
  <form action={`${definitionPath(definition)}/look`} role="search">
    <label class="strong" for="value">
      The value that its members share
    </label>
    <div class="search">
      <input id="value" name="value" type="search" value={value} autocomplete="off" />
      <button>Look up</button>
    </div>
    <p class="help">
      Leave it empty to list <a href={`${definitionPath(definition)}/look`}>all households</a>.
    </p>
  </form>
)

interface AllProps {
  c: Context<Http>
  definition: string
  after: string
  households: Household[]
  next: string | undefined
}

export function AllHouseholds({ c, definition, after, households, next }: AllProps) {
  const path = `${definitionPath(definition)}/look`
  return (
    <Page
      c={c}
      title="All households"
      about="In the order of the values that their members share."
      up={{ name: definition, path: definitionPath(definition) }}
    >
      <LookForm definition={definition} />
      {households.length === 0 ? (
        <Empty title={after === '' ? 'No household has formed yet' : 'No more households'}>
          <p>Households form with the next recompute of their definition.</p>
        </Empty>
      ) : (
        <Table
          label="Households"
          rows={households}
          columns={[
            {
              name: 'Household',
              cell: ({ value }) => (
                <a href={householdPath(definition, value)}>
                  {isUnshown(value) ? 'Kept alone by hand' : <Text of={value} />}
                </a>
              ),
            },
            {
              name: 'Members',
              isNumber: true,
              cell: ({ members }) => <Count of={members.length} />,
            },
            { name: 'They share', cell: ({ shared }) => <SharedBriefly shared={shared} /> },
          ]}
        />
      )}
      <p class="pages">
        {after !== '' && <a href={path}>First households</a>}
        {next !== undefined && (
          <a href={`${path}?after=${encodeURIComponent(next)}`}>More households</a>
        )}
      </p>
    </Page>
  )
}

const SharedBriefly = ({ shared }: { shared: [string, Value][] }) => (
  <>
    {shared.length === 0 && <span class="soft">nothing</span>}
    {shared.slice(0, sharedMost).map(([name, value]) => (
      <div>
        <span class="id">
          <Text of={name} />
        </span>
        : <Short of={value} />
      </div>
    ))}
    {shared.length > sharedMost && (
      <span class="soft">and {count(shared.length - sharedMost)} more</span>
    )}
  </>
)

function titleOf(household: Household | undefined): string {
  if (household === undefined) return 'No such household'
  return isUnshown(household.value) ? 'Kept alone by hand' : shortened(household.value)
}

interface OneProps {
  c: Context<Http>
  definition: string
  value: string
  household: Household | undefined
}

export function OneHousehold({ c, definition, value, household }: OneProps) {
  return (
    <Page
      c={c}
      title={titleOf(household)}
      about={
        <>
          {household !== undefined && `${plural(household.members.length, 'member')} of `}
          <bdi>{definition}</bdi>
        </>
      }
      up={{ name: 'All households', path: `${definitionPath(definition)}/look` }}
    >
      <LookForm definition={definition} value={isUnshown(value) ? '' : value} />
      {household === undefined ? (
        <Empty title="No household has this value">
          <p>
            One forms with the next recompute, of users who have this value by then. Values that
            mean “none” form no household.
          </p>
        </Empty>
      ) : (
        <Within definition={definition} household={household} now={c.var.res.now()} />
      )}
    </Page>
  )
}

interface WithinProps {
  definition: string
  household: Household
  now: number
}

function Within({ definition, household: { value, members, shared }, now }: WithinProps) {
  const [first] = members
  return (
    <>
      {isLong(value) && (
        <Section title="They have in common">
          <Whole of={value} />
        </Section>
      )}
      <Section title="Members">
        <Members members={members.slice(0, membersMost)} now={now} />
        {members.length > membersMost && (
          <p class="pages">And {count(members.length - membersMost)} more.</p>
        )}
      </Section>
      <Section title="They share">
        {shared.length === 0 ? (
          <p class="soft">Nothing.</p>
        ) : (
          <Attributes
            label="Shared attributes"
            rows={shared}
            linkOf={(name) =>
              first && {
                text: 'Why?',
                href: attributePath(first.user, inheritedName(definition, name)),
              }
            }
          />
        )}
      </Section>
    </>
  )
}
