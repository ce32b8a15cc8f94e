import {
  conditionsMax,
  depthMax,
  isLeaf,
  isMembersRule,
  pointerIn,
  ruleRefused,
  type Place,
  type Rule,
} from './rule.ts'

interface Visited extends Place {
  depth: number
  /** The audiences whose rules contain the node, outermost first. */
  path: readonly string[]
}

const usedToo = 'including those of used audiences'

/**
 * Puts the rules of used audiences into the rule of `id`. Throws `rule-refused` for an unknown
 * audience, a cycle, too many levels or leaves, or members of members.
 */
export function expand(rule: Rule, audiences: ReadonlyMap<string, Rule>, id?: string): Rule {
  let leaves = 0
  const visit = (rule: Rule, place: Visited): Rule => {
    const { pointer, depth, path, via, membersOf } = place
    if (depth > depthMax)
      throw ruleRefused(pointer, `is deeper than ${depthMax} levels, ${usedToo}`)
    if (isLeaf(rule)) {
      if (++leaves > conditionsMax)
        throw ruleRefused(pointer, `is beyond the limit of ${conditionsMax} conditions, ${usedToo}`)
      return rule
    }
    const inner = { ...place, depth: depth + 1 }
    if ('expressions' in rule)
      return {
        ...rule,
        expressions: rule.expressions.map((expression, i) =>
          visit(expression, { ...inner, pointer: pointerIn(place, 'expressions', i) }),
        ),
      }
    if (rule.operator === 'in_audience') {
      const { audience } = rule
      if (path.includes(audience))
        throw ruleRefused(pointer, `leads back to the audience ${audience}`)
      const used = audiences.get(audience)
      if (used === undefined) throw ruleRefused(pointer, `names no audience: ${audience}`)
      return {
        ...rule,
        expression: visit(used, { ...inner, path: [...path, audience], via: via ?? audience }),
      }
    }
    const members = isMembersRule(rule) ? rule.group : undefined
    if (members !== undefined && membersOf !== undefined)
      throw ruleRefused(pointer, 'asks about members of members')
    return {
      ...rule,
      expression: visit(rule.expression, {
        ...inner,
        pointer: pointerIn(place, 'expression'),
        membersOf: members ?? membersOf,
      }),
    }
  }
  const path = id === undefined ? [] : [id]
  return visit(rule, { pointer: '/rule', via: undefined, membersOf: undefined, depth: 1, path })
}
