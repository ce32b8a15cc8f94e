import { comparisonWords, joinWords, memberWords } from '../audiences/rule-words.ts'
import { button, choice, element } from './element.ts'
import { valueControls, valueFor } from './rule-value.ts'

export type RuleNode = Record<string, unknown>

/** Where a node of a rule is, so that another can stand there instead. */
export interface Place {
  holder: object
  key: string | number
}

export interface Ui {
  /** A value is another. */
  changed: () => void
  /** The tree is another; the keyboard goes to one of its nodes. */
  redraw: (focus: object) => void
  focus: object | undefined
}

export const isNode = (given: unknown): given is RuleNode =>
  typeof given === 'object' && given !== null && !Array.isArray(given)

const blank = (): RuleNode => ({ operator: 'equals', attribute: '', value: '' })

const kinds = [
  ['attribute', 'attribute'],
  ...Object.entries(joinWords),
  ...Object.entries(memberWords).map(([operator, words]) => [operator, words] as const),
  ['in_group', 'in the group'],
  ['in_audience', 'in the audience'],
] as const

const kindOf = ({ operator }: RuleNode): string =>
  typeof operator === 'string' && Object.hasOwn(comparisonWords, operator)
    ? 'attribute'
    : String(operator)

/** A node and all below it as controls. */
export function draw(place: Place, ui: Ui, number = ''): HTMLElement {
  const node: unknown = Reflect.get(place.holder, place.key)
  if (!isNode(node)) return element('code', {}, JSON.stringify(node) ?? '')
  const name = number === '' ? 'the rule' : `condition ${number}`
  const become = (kind: string) => {
    const after = converted(node, kind)
    Reflect.set(place.holder, place.key, after)
    ui.redraw(after)
  }
  const kind = choice(`Kind of ${name}`, kinds.slice(), kindOf(node), become)
  if (ui.focus === node) kind.dataset['focus'] = ''
  const row = element('div', { class: 'row' }, kind, ...controlsOf(node, ui, name))
  const { holder, key } = place
  if (Array.isArray(holder) && holder.length > 1)
    row.append(
      button(
        'Remove',
        () => {
          holder.splice(Number(key), 1)
          ui.redraw(holder[Math.max(0, Number(key) - 1)] as object) // a node
        },
        { 'aria-label': `Remove ${name}`, class: 'plain' },
      ),
    )
  const attributes = { class: 'node', role: 'group', 'aria-label': name }
  return element('div', attributes, row, ...below(node, ui, number))
}

/** The nodes below a node. */
function below(node: RuleNode, ui: Ui, number: string): HTMLElement[] {
  const { expressions, expression } = node
  const prefix = number === '' ? '' : `${number}.`
  if (Array.isArray(expressions)) {
    const list: unknown[] = expressions
    const add = button('Add a condition', () => {
      const added = blank()
      list.push(added)
      ui.redraw(added)
    })
    const inner = list.map((_, i) => draw({ holder: list, key: i }, ui, `${prefix}${i + 1}`))
    return [...inner, add]
  }
  return expression === undefined
    ? []
    : [draw({ holder: node, key: 'expression' }, ui, `${prefix}1`)]
}

/** The same of another kind: what is below stays as far as it can. */
function converted(node: RuleNode, kind: string): RuleNode {
  const { expressions, expression } = node
  const inner: unknown[] = Array.isArray(expressions)
    ? expressions
    : [expression ?? (kindOf(node) === 'attribute' ? node : blank())]
  switch (kind) {
    case 'attribute':
      return inner.find((one): one is RuleNode => isNode(one) && 'attribute' in one) ?? blank()
    case 'and':
    case 'or':
      return { operator: kind, expressions: inner }
    case 'in_group':
      return { operator: kind, group: '' }
    case 'in_audience':
      return { operator: kind, audience: '' }
  }
  const only = inner.length === 1 ? inner[0] : { operator: 'and', expressions: inner }
  if (kind === 'not') return { operator: kind, expression: only }
  return {
    operator: kind,
    group: node['group'] ?? offered('definitions')[0]?.[0] ?? '',
    expression: only,
  }
}

/** What the page offers of a kind. */
const offered = (kind: string): [value: string, text: string][] =>
  [...document.querySelectorAll<HTMLOptionElement>(`#offered-${kind} option`)].map((option) => [
    option.value,
    option.text || option.value,
  ])

function controlsOf(node: RuleNode, ui: Ui, name: string): HTMLElement[] {
  const choose = (label: string, field: string, kind: string) =>
    choice(`${label} of ${name}`, offered(kind), String(node[field] ?? ''), (value) => {
      node[field] = value
      ui.changed()
    })
  switch (node['operator']) {
    case 'in_group':
      return [choose('Group', 'group', 'groups')]
    case 'in_audience':
      return [choose('Audience', 'audience', 'audiences')]
    case 'any_member':
    case 'all_members':
    case 'no_member':
      return [choose('Group', 'group', 'definitions')]
  }
  return kindOf(node) === 'attribute' ? comparison(node, ui, name) : []
}

function comparison(node: RuleNode, ui: Ui, name: string): HTMLElement[] {
  const attributes = {
    'aria-label': `Attribute of ${name}`,
    list: 'offered-attributes',
    size: '16',
  }
  const attribute = element('input', { ...attributes, placeholder: 'its name' })
  attribute.value = String(node['attribute'] ?? '')
  attribute.addEventListener('input', () => {
    node['attribute'] = attribute.value
    ui.changed()
  })
  const words = Object.entries(comparisonWords)
  const operator = choice(`Comparison of ${name}`, words, String(node['operator']), (chosen) => {
    node['operator'] = chosen
    const value = valueFor(chosen, node['value'])
    if (value === undefined) delete node['value']
    else node['value'] = value
    ui.redraw(node)
  })
  return [attribute, operator, ...valueControls(node, ui, name)]
}
