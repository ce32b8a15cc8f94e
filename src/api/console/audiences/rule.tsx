import type { Audience } from '../../../audiences/audiences.ts'
import { withoutShared } from '../../../audiences/references.ts'
import { isMembersRule, type Condition, type Rule, type Scalar } from '../../../audiences/rule.ts'
import type { Group } from '../../../experience/groups.ts'
import { stringifyJson } from '../../../json.ts'
import { comparisonWords, joinWords, memberWords } from './rule-words.ts'
import { shortened } from '../parts/value.tsx'
import { audiencePath, groupPath } from '../paths.ts'

/** A rule as JSON, as people write it. */
export const textOfRule = (rule: Rule): string => stringifyJson(withoutShared(rule), 2)

/** What the ids in a rule are called. */
export interface Names {
  groups: ReadonlyMap<string, string>
  audiences: ReadonlyMap<string, string>
}

export const namesOf = (groups: Group[], audiences: Audience[]): Names => ({
  groups: new Map(groups.map(({ id, name }) => [id, name])),
  audiences: new Map(audiences.map(({ id, name }) => [id, name])),
})

/** A rule in words. */
export function RuleInWords({ rule, names }: { rule: Rule; names: Names }) {
  const inner = partsOf(rule)
  return (
    <>
      <HeadInWords rule={rule} names={names} />
      {inner.length > 0 && (
        <ul class="inner">
          {inner.map((one) => (
            <li>
              <RuleInWords rule={one} names={names} />
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

function partsOf(rule: Rule): Rule[] {
  if ('expressions' in rule) return rule.expressions
  return 'expression' in rule ? [rule.expression] : []
}

/** What a rule says by itself, without the rules below it. */
export function HeadInWords({ rule, names }: { rule: Rule; names: Names }) {
  if ('attribute' in rule) return <Compared condition={rule} />
  if (rule.operator === 'in_group')
    return (
      <>
        they are in the group{' '}
        <a href={groupPath(rule.group)}>
          <bdi>{names.groups.get(rule.group) ?? rule.group}</bdi>
        </a>
      </>
    )
  if (rule.operator === 'in_audience')
    return (
      <>
        they are in the audience{' '}
        <a href={audiencePath(rule.audience)}>
          <bdi>{names.audiences.get(rule.audience) ?? rule.audience}</bdi>
        </a>
      </>
    )
  return isMembersRule(rule) ? (
    <>
      {memberWords[rule.operator]} <bdi class="strong">{rule.group}</bdi>:
    </>
  ) : (
    <>{joinWords[rule.operator]}:</>
  )
}

const shownMost = 20
const charactersMost = 200

function Compared({ condition }: { condition: Condition }) {
  const { attribute, operator } = condition
  const values: Scalar[] = 'value' in condition ? [condition.value].flat() : []
  return (
    <>
      <bdi class="id">{attribute}</bdi> {comparisonWords[operator]}{' '}
      {values.slice(0, shownMost).map((value, i) => (
        <>
          {i > 0 && ', '}
          <bdi class="strong">{shortened(String(value), charactersMost)}</bdi>
        </>
      ))}
      {values.length > shownMost && ` and ${values.length - shownMost} more`}
    </>
  )
}
