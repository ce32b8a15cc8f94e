import {
  below,
  conditionsMax,
  depthMax,
  isLeaf,
  isOverMembers,
  refused,
  type Rule,
} from './rule.ts'

/**
 * The rule with those of the audiences that it uses put in. Throws `rule-refused` where one of them is not there or leads back to itself
 * or to `own`, where the whole is too deep or too long, or where it asks about members of members.
 */
export function expand(rule: Rule, audiences: ReadonlyMap<string, Rule>, own?: string): Rule {
  let conditions = 0
  const visit = (
    rule: Rule,
    at: string,
    depth: number,
    path: readonly string[],
    among: boolean,
  ): Rule => {
    if (depth > depthMax)
      throw refused(at, `stands deeper than ${depthMax} levels, with the audiences that are used`)
    if (isLeaf(rule)) {
      if (++conditions > conditionsMax)
        throw refused(
          at,
          `is more than the ${conditionsMax}th condition, with the audiences that are used`,
        )
      return rule
    }
    if ('expressions' in rule)
      return {
        ...rule,
        expressions: rule.expressions.map((one, i) =>
          visit(one, placed(at, path, 'expressions', i), depth + 1, path, among),
        ),
      }
    if (rule.operator === 'in_audience') {
      if (path.includes(rule.audience))
        throw refused(at, `leads back to the audience ${rule.audience}`)
      const used = audiences.get(rule.audience)
      if (used === undefined) throw refused(at, `names no audience: ${rule.audience}`)
      return { ...rule, expression: visit(used, at, depth + 1, [...path, rule.audience], among) }
    }
    if (isOverMembers(rule) && among) throw refused(at, 'asks about members of members')
    return {
      ...rule,
      expression: visit(
        rule.expression,
        placed(at, path, 'expression'),
        depth + 1,
        path,
        among || isOverMembers(rule),
      ),
    }
  }
  const start = own === undefined ? [] : [own]
  const placed = (at: string, path: readonly string[], ...keys: (string | number)[]) =>
    path.length > start.length ? at : keys.reduce<string>(below, at)
  return visit(rule, '/rule', 1, start, false)
}
