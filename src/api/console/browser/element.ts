/** An element of a page, with its attributes and what is in it. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string> = {},
  ...inside: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...inside)
  return made
}

/** A button that does something here. */
export function button(
  text: string,
  act: () => void,
  attributes: Record<string, string> = {},
): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, text)
  made.addEventListener('click', act)
  return made
}

/** A choice among values and their texts. */
export function choice(
  label: string,
  options: (readonly [value: string, text: string])[],
  chosen: string,
  choose: (value: string) => void,
): HTMLSelectElement {
  const known = options.some(([value]) => value === chosen)
  const all = known ? options : [[chosen, chosen || 'Choose…'] as const, ...options]
  const made = element(
    'select',
    { 'aria-label': label },
    ...all.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)),
  )
  made.addEventListener('change', () => choose(made.value))
  return made
}
