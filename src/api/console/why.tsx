import { isUnshown } from '../../identity/corrections.ts'
import type { Contribution, Explanation } from '../../identity/explain.ts'
import type { Check } from '../../experiments/explain.ts'
import { shards } from '../../experiments/shard.ts'
import { inheritedName } from '../../identity/profiles.ts'
import { count, Status, When } from './parts.tsx'
import { personPath } from './paths.ts'
import { Short, Text, things } from './value.tsx'

/** What a household shares of an attribute, in words. */
export const sharedAs: Record<Explanation['function'], string> = {
  latest: 'the latest value',
  boolean_or: 'true if any is true',
  sum: 'the sum',
  average: 'the average',
}

const computedBy: Record<Explanation['function'], string> = {
  latest: 'The latest value among',
  boolean_or: 'Whether any is true among',
  sum: 'The sum over',
  average: 'The average over',
}

/** Members of a household that are shown. */
const membersMost = 50

interface WhyProps {
  attribute: string
  explanation: Explanation
  now: number
}

/** Why a user has an inherited attribute: the attribute, the household below it, and each member below that. */
export function Why({ attribute, explanation, now }: WhyProps) {
  const { source, group, members, value, computedAt } = explanation
  const [counted, others] = [true, false].map((counts) =>
    members.filter((member) => member.counts === counts),
  ) as [Contribution[], Contribution[]] // as many as are mapped
  return (
    <ul class="tree">
      <li>
        <p>
          <span class="id">{inheritedName(explanation.definition, attribute)}</span> is{' '}
          <strong>
            <Short of={value} />
          </strong>
        </p>
        <p class="help">
          {computedBy[explanation.function]} the {things(members.length, 'member')} of the household
          {computedAt !== null && (
            <>
              , as it was <When at={computedAt} now={now} />
            </>
          )}
        </p>
        <ul>
          <li>
            <p>
              {isUnshown(group) ? (
                'Kept alone by hand'
              ) : (
                <>
                  {members.length > 1 ? 'All have the same ' : 'The only one who has this '}
                  <span class="id">{source}</span>: <Text of={group} />
                </>
              )}
            </p>
            <ul>
              {[...counted, ...others].slice(0, membersMost).map((member) => (
                <Member
                  member={member}
                  now={now}
                  computedAt={explanation.refresh === null ? computedAt : null}
                />
              ))}
              {members.length > membersMost && (
                <li class="soft">And {count(members.length - membersMost)} more members</li>
              )}
            </ul>
          </li>
        </ul>
      </li>
    </ul>
  )
}

interface MemberProps {
  member: Contribution
  computedAt: number | null
  now: number
}

function Member({ member, computedAt, now }: MemberProps) {
  const { user, value, updatedAt, excluded } = member
  return (
    <li>
      <a href={personPath(user)}>
        <bdi>{user}</bdi>
      </a>
      {': '}
      {value === null ? <span class="soft">no value</span> : <Short of={value} />}{' '}
      {member.correction !== null && (
        <>
          <Status tone="none">Here by hand</Status>{' '}
        </>
      )}
      {excluded === null ? (
        <Status tone="good">Counts</Status>
      ) : (
        <Status tone="none">Does not count: {whyNot[excluded]}</Status>
      )}
      {updatedAt !== null && computedAt !== null && updatedAt > computedAt && (
        <span class="help">
          {' '}
          Changed <When at={updatedAt} now={now} />, which counts from the next recompute on
        </span>
      )}
    </li>
  )
}

const whyNot: Record<NonNullable<Contribution['excluded']>, string> = {
  missing: 'there is none',
  'not-latest': 'another is newer',
  'not-true': 'it is not true',
  'not-a-number': 'it is no number',
  'beyond-numbers': 'it is too large',
}

/** Why somebody has a variant: each check in its order, up to the one that decides. */
export function Checks({ checks, showsDraws }: { checks: Check[]; showsDraws: boolean }) {
  const decides = checks.findIndex(({ passed }) => !passed)
  const shown = decides < 0 ? checks : checks.slice(0, decides + 1)
  return (
    <ol class="tree">
      {shown.map((check) => (
        <li>
          {saidOf(check, showsDraws)} {!check.passed && <Status tone="wait">Decides</Status>}
        </li>
      ))}
    </ol>
  )
}

/** What a check has found. Draws of a household are not shown to all, as they tell its value. */
function saidOf(check: Check, showsDraws: boolean): string {
  const { passed } = check
  switch (check.check) {
    case 'running':
      return passed ? 'The experiment is running' : `The experiment is ${check.status}`
    case 'forced':
      return passed ? 'No variant is set by hand' : `${check.variant ?? ''} is set by hand`
    case 'group':
      if (check.group === null) return 'Everybody is eligible'
      return passed ? 'Is in the group of the experiment' : 'Is not in the group of the experiment'
    case 'unit':
      if (check.unit === null) return passed ? 'Is drawn by the id' : 'Nobody can have this id'
      return passed
        ? `Is drawn together with the household of ${check.unit}`
        : `Is in no household of ${check.unit}`
    case 'split': {
      const variant = check.variants.find(({ from, to }) => from <= check.shard && check.shard < to)
      const drawn = showsDraws ? `Drew ${count(check.shard)} of ${count(shards)}: ` : 'Drew '
      return `${drawn}${variant?.id ?? 'no variant'}`
    }
    default: {
      const { from, to, shard } = check
      const drawn = showsDraws ? `drew ${count(shard)}; ` : ''
      return `${drawNames[check.check]}: ${drawn}${whoOf(from, to)}`
    }
  }
}

function whoOf(from: number, to: number): string {
  if (from >= to) return 'nobody takes part'
  if (from > 0) return `those from ${count(from)} to ${count(to - 1)} take part`
  return to === shards ? 'everybody takes part' : `those below ${count(to)} take part`
}

const drawNames = { holdout: 'Held out', layer: 'Layer', traffic: 'Traffic' } as const
