import { isUnshown } from '../../../identity/corrections.ts'
import type { Contribution, Explanation } from '../../../identity/explain.ts'
import { inheritedName } from '../../../identity/profiles.ts'
import { Status } from '../parts/blocks.tsx'
import { count, plural, When } from '../parts/figures.tsx'
import { personPath } from '../paths.ts'
import { Short, Text } from '../parts/value.tsx'

/** What a household shares of an attribute, in words. */
export const sharedAs: Record<Explanation['function'], string> = {
  latest: 'the latest value',
  boolean_or: 'true if any is true',
  sum: 'the sum',
  average: 'the average',
  min: 'the least',
  max: 'the greatest',
  count: 'how many have a value',
  count_distinct: 'how many different values',
  boolean_and: 'true if all are true',
  earliest: 'the earliest value',
  most_frequent: 'the most frequent value',
  unique_list: 'a list of the different values',
}

const computedBy: Record<Explanation['function'], string> = {
  latest: 'The latest value among',
  boolean_or: 'Whether any is true among',
  sum: 'The sum over',
  average: 'The average over',
  min: 'The least among',
  max: 'The greatest among',
  count: 'How many have a value among',
  count_distinct: 'How many different values there are among',
  boolean_and: 'Whether all are true among',
  earliest: 'The earliest value among',
  most_frequent: 'The most frequent value among',
  unique_list: 'The different values among',
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
          {computedBy[explanation.function]} the {plural(members.length, 'member')} of the household
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
  'not-earliest': 'another is older',
  'not-comparable': 'it is not of the kind that is compared',
  'not-least': 'another is less',
  'not-greatest': 'another is greater',
  'less-frequent': 'another is more frequent',
  empty: 'the list is empty',
  'beyond-list': 'it is too long, or beyond the end of the list',
}
