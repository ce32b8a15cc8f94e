import { parseJson } from '../../../json.ts'
import { choice, element } from './element.ts'
import type { RuleNode, Ui } from './rule-node.ts'

type Kind = 'text' | 'number' | 'yes'

const kinds = [
  ['text', 'text'],
  ['number', 'number'],
  ['yes', 'yes or no'],
] as const

const isList = (operator: unknown) => operator === 'in' || operator === 'not_in'
const hasNone = (operator: unknown) => operator === 'exists' || operator === 'not_exists'

/** The value of a condition whose comparison is another now; undefined: it has none. */
export function valueFor(operator: string, value: unknown): unknown {
  if (hasNone(operator)) return undefined
  if (isList(operator)) return Array.isArray(value) ? value : [value ?? '']
  const one: unknown = Array.isArray(value) ? value[0] : value
  return one ?? ''
}

function kindOf(value: unknown): Kind {
  const one: unknown = Array.isArray(value) ? value[0] : value
  if (typeof one === 'boolean') return 'yes'
  return typeof one === 'number' || typeof one === 'bigint' ? 'number' : 'text'
}

/** A text as a value of a kind; a number that is not one yet stays a text. */
function valueOf(text: string, kind: Kind): unknown {
  if (kind === 'yes') return text === 'true'
  if (kind === 'text' || !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text.trim())) return text
  try {
    return parseJson(text.trim())
  } catch {
    return text
  }
}

/** What a condition compares with: its kind, and the value or the values. */
export function valueControls(node: RuleNode, ui: Ui, name: string): HTMLElement[] {
  const { operator } = node
  if (hasNone(operator)) return []
  let kind = kindOf(node['value'])
  const take = (text: string) => {
    node['value'] = isList(operator)
      ? text
          .split('\n')
          .filter(Boolean)
          .map((line) => valueOf(line, kind))
      : valueOf(text, kind)
    ui.changed()
  }
  const text = [node['value']]
    .flat()
    .map((one) => String(one ?? ''))
    .join('\n')
  const chooseKind = choice(`Kind of the value of ${name}`, kinds.slice(), kind, (chosen) => {
    kind = chosen as Kind // one of the options
    take(kind === 'yes' ? 'true' : text)
    ui.redraw(node)
  })
  return [chooseKind, valueControl(text, { kind, isList: isList(operator), name, take })]
}

interface Value {
  kind: Kind
  isList: boolean
  name: string
  take: (text: string) => void
}

function valueControl(text: string, { kind, isList, name, take }: Value): HTMLElement {
  const label = `Value of ${name}`
  if (kind === 'yes' && !isList)
    return choice(
      label,
      [
        ['true', 'yes'],
        ['false', 'no'],
      ],
      text,
      take,
    )
  const attributes = { 'aria-label': isList ? `Values of ${name}, one a line` : label }
  const made = isList
    ? element('textarea', { ...attributes, rows: '3' })
    : element('input', {
        ...attributes,
        size: '16',
        ...(kind === 'number' && { inputmode: 'decimal' }),
      })
  made.value = text
  made.addEventListener('input', () => take(made.value))
  return made
}
