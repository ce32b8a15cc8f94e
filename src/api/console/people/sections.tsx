import type { Context } from 'hono'
import type { Assigned } from '../../../experiments/split.ts'
import type { Value } from '../../../identity/attributes.ts'
import type { Http } from '../../http.ts'
import { Section } from '../parts/blocks.tsx'
import { count, Count } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { hrefWith, paged, PageLinks, pageNumber } from '../parts/page-links.tsx'
import { attributePath, experimentPath, groupPath, personPath } from '../paths.ts'
import type { Person } from './person.ts'
import { Attributes } from '../parts/attributes.tsx'
import { isLong } from '../parts/value.tsx'

/** Attributes of a page. */
const attributesOfPage = 50

/** The groups that a person is in. */
export function GroupsOf({ c, person }: { c: Context<Http>; person: Person }) {
  const { id, groups } = person
  if (groups === undefined) return <></>
  const isLater = (c.req.query('after') ?? '') !== ''
  return (
    <Section title="Groups">
      {groups.groups.length === 0 ? (
        <p class="soft">{isLater ? 'No more groups.' : 'In no group.'}</p>
      ) : (
        <Table
          label="Groups"
          rows={groups.groups}
          columns={[
            {
              name: 'Group',
              cell: (group) => (
                <a href={groupPath(group.id)}>
                  <bdi>{group.name}</bdi>
                </a>
              ),
            },
            { name: 'Revision', isNumber: true, cell: ({ revision }) => <Count of={revision} /> },
          ]}
        />
      )}
      {(isLater || groups.next !== undefined) && (
        <p class="pages">
          {isLater && <a href={personPath(id)}>First groups</a>}
          {groups.next !== undefined && (
            <a href={`${personPath(id)}&after=${groups.next}`}>More groups</a>
          )}
        </p>
      )}
    </Section>
  )
}

/** Own and inherited attributes, a page of each. */
export function AttributesOf({ c, person }: { c: Context<Http>; person: Person }) {
  const { id, profile, inherited } = person
  if (profile === undefined) return <></>
  const page = pageNumber(c)
  const [theirs, own] = [true, false].map((is) =>
    profile.attributes.filter(([name]) => inherited.has(name) === is),
  ) as [[string, Value][], [string, Value][]] // as many as are mapped
  const shown = paged(own, page, attributesOfPage)
  return (
    <>
      <Section title="Inherited attributes">
        {theirs.length === 0 ? (
          <p class="soft">None: a household of this person shares nothing, or there is none.</p>
        ) : (
          <Attributes
            label="Inherited attributes"
            rows={theirs}
            linkOf={(name) => ({ text: 'Why?', href: attributePath(id, name) })}
          />
        )}
      </Section>
      <Section title="Own attributes">
        {own.length === 0 && <p class="soft">None.</p>}
        {shown.length > 0 && (
          <Attributes
            label="Own attributes"
            rows={shown}
            linkOf={(name, value) =>
              isLong(value) ? { text: 'All of it', href: attributePath(id, name) } : undefined
            }
          />
        )}
        <PageLinks
          {...{ page, size: attributesOfPage, total: own.length }}
          href={(page) => hrefWith('/console/people', { id, page })}
        />
      </Section>
    </>
  )
}

/** The variants of a person in running experiments. */
export function VariantsOf({ person }: { person: Person }) {
  const { id, variants } = person
  if (variants === undefined) return <></>
  return (
    <Section title="Variants in running experiments">
      {variants.rows.length === 0 ? (
        <p class="soft">No experiment is running.</p>
      ) : (
        <Table
          label="Variants"
          rows={variants.rows}
          columns={[
            {
              name: 'Experiment',
              cell: ({ experiment }) => (
                <a href={experimentPath(experiment.id)}>
                  <bdi>{experiment.name}</bdi>
                </a>
              ),
            },
            {
              name: 'Variant',
              cell: ({ assigned }) =>
                assigned.variant?.id ?? <span class="soft">takes no part</span>,
            },
            {
              name: 'Because',
              cell: ({ experiment, assigned }) => (
                <>
                  {because[assigned.reason]}{' '}
                  <a href={`${personPath(id)}&experiment=${experiment.id}#experiment`}>
                    Why?
                    <span class="hidden"> ({experiment.name})</span>
                  </a>
                </>
              ),
            },
          ]}
        />
      )}
      {variants.more > 0 && <p class="pages">And {count(variants.more)} more running.</p>}
    </Section>
  )
}

const because: Record<Assigned['reason'], string> = {
  SPLIT: 'It was drawn.',
  FORCED: 'It is forced.',
  NOT_RUNNING: 'It is not running.',
  NOT_IN_GROUP: 'Not in the group.',
  NO_UNIT: 'In no household.',
  HELD_OUT: 'Held out.',
  OTHER_LAYER: 'Its layer is for others.',
  NOT_IN_TRAFFIC: 'Not in the traffic.',
}
