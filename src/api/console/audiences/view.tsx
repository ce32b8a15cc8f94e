import type { Context } from 'hono'
import type { Audience } from '../../../audiences/audiences.ts'
import type { Priced } from '../../../audiences/prices.ts'
import type { Group } from '../../../experience/groups.ts'
import type { GroupJob } from '../../../experience/jobs.ts'
import type { Http } from '../../http.ts'
import { Cost } from './cost.tsx'
import { FilledGroup } from './group.tsx'
import { PersonForm } from './person.tsx'
import { explainScopes, ruleScopes } from './scopes.ts'
import { Confirm } from '../parts/confirm.tsx'
import { may, Page } from '../parts/page.tsx'
import { Facts, Section } from '../parts/blocks.tsx'
import { Refused, type FormError } from '../parts/fields.tsx'
import { Count, When } from '../parts/figures.tsx'
import { beginningOf } from '../parts/value.tsx'
import { namesOf, RuleInWords, textOfRule, type Names } from './rule.tsx'
import { audiencePath } from '../paths.ts'

/** What is shown of an audience. */
export interface Shown {
  audience: Priced
  others: Audience[]
  groups: Group[]
  /** The group that it fills; undefined also where who is signed in may not see it. */
  group: Group | undefined
  syncs: GroupJob[]
  error: FormError | undefined
}

interface ShownProps extends Shown {
  c: Context<Http>
}

export function AudienceView(props: ShownProps) {
  const { c, audience, others, groups, error } = props
  const path = audiencePath(audience.id)
  return (
    <Page
      c={c}
      title={audience.name}
      about={audience.description || 'An audience: users for whom its rule holds.'}
      action={
        <>
          <a class="button" href={`${path}/users`}>
            Count its users
          </a>
          {may(c, ruleScopes) && (
            <a class="button main" href={`${path}/edit`}>
              Change
            </a>
          )}
        </>
      }
      up={{ name: 'Audiences', path: '/console/audiences' }}
    >
      <Refused error={error} />
      <AudienceFacts {...props} />
      <ShownRule audience={audience} names={namesOf(groups, others)} />
      {may(c, explainScopes) && (
        <Section title="Is somebody in it?">
          <PersonForm audience={audience} />
        </Section>
      )}
      <FilledGroup {...props} />
      {others.length > 1 && <Compare audience={audience} others={others} />}
      {may(c, 'audiences:write') && <Deletion {...props} />}
    </Page>
  )
}

const refreshes = { on_demand: 'By hand', daily: 'Every day', weekly: 'Every Monday' } as const

function AudienceFacts({ c, audience }: ShownProps) {
  const now = c.var.res.now()
  const { ruleCostMax } = c.var.res.limits
  const { refresh, cost, updatedAt, updatedBy } = audience
  return (
    <Facts
      of={[
        ['Id', <bdi class="id">{audience.id}</bdi>],
        ['Fills its group', audience.group === null ? 'It fills none' : refreshes[refresh]],
        [
          'Cost of its rule',
          cost === null ? 'It cannot be evaluated now' : <Cost is={cost} max={ruleCostMax} />,
        ],
        [
          'Last change',
          <>
            <When at={updatedAt} now={now} /> by <bdi>{updatedBy}</bdi>
          </>,
        ],
      ]}
    />
  )
}

const ShownRule = ({ audience, names }: { audience: Priced; names: Names }) => (
  <Section title="Who belongs to it">
    {audience.cost === null && (
      <p class="note bad">
        This rule cannot be evaluated now: it names something that is gone, or takes too long
        together with the audiences that it uses. Change it.
      </p>
    )}
    <div class="rule">
      A user belongs to it where <RuleInWords rule={audience.rule} names={names} />
    </div>
    <details>
      <summary>The rule as JSON</summary>
      <ShownJson text={textOfRule(audience.rule)} />
    </details>
  </Section>
)

const shownMost = 20_000

function ShownJson({ text }: { text: string }) {
  const shown = beginningOf(text, shownMost)
  return (
    <>
      <pre tabindex={0}>{shown}</pre>
      {shown !== text && <p class="soft">It is cut here: the API has all of it.</p>}
    </>
  )
}

const Compare = ({ audience, others }: { audience: Audience; others: Audience[] }) => (
  <Section title="Compare it">
    <form class="search" action="/console/audiences/overlap">
      <input type="hidden" name="a" value={audience.id} />
      <select name="b" aria-label="Another audience">
        {others
          .filter(({ id }) => id !== audience.id)
          .map(({ id, name }) => (
            <option value={id}>{name}</option>
          ))}
      </select>
      <button>Compare</button>
    </form>
  </Section>
)

function Deletion({ c, audience, group, error }: ShownProps) {
  return (
    <Confirm
      c={c}
      action={`${audiencePath(audience.id)}/delete`}
      title="Delete the audience"
      error={error}
      button="Delete the audience"
      warning={
        group === undefined ? (
          'The rule is gone for good. No group changes.'
        ) : (
          <>
            The rule is gone for good. The group <bdi class="strong">{group.name}</bdi> keeps its{' '}
            <Count of={group.participantCount} /> participants, and takes files again.
          </>
        )
      }
    />
  )
}
