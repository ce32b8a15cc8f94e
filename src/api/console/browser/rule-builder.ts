import { parseJson, stringifyJson } from '../../../json.ts'
import { element } from './element.ts'
import { liveCount } from './rule-count.ts'
import { draw, isNode } from './rule-node.ts'

buildRules()

/** A builder beside a rule's JSON: both edit the same. */
function buildRules(): void {
  const builder = document.querySelector<HTMLElement>('[data-rule]')
  const text = document.querySelector<HTMLTextAreaElement>('#rule')
  if (builder === null || text === null) return
  const legend = builder.firstElementChild ?? ''
  const count = liveCount(text)
  const holder: { rule?: unknown } = {}

  const show = (focus?: object) => {
    const ui = { changed: write, redraw, focus }
    const shown = isNode(holder.rule)
      ? draw({ holder, key: 'rule' }, ui)
      : element('p', { class: 'soft' }, 'The JSON is not complete: this goes on when it is.')
    builder.replaceChildren(legend, shown)
  }
  const write = () => {
    text.value = stringifyJson(holder.rule, 2)
    count()
  }
  const redraw = (focus: object) => {
    const label = document.activeElement?.ariaLabel ?? ''
    show(focus)
    // The keyboard stays where it was, or goes to what is new.
    const same = builder.querySelector<HTMLElement>(`[aria-label="${CSS.escape(label)}"]`)
    const next = same ?? builder.querySelector<HTMLElement>('[data-focus]')
    next?.focus()
    write()
  }
  const read = () => {
    holder.rule = parsed(text.value)
    show()
    count()
  }
  text.addEventListener('input', read)
  read()
  builder.hidden = false
}

function parsed(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return undefined
  }
}
