/** Adds rows of a form without asking the server, and says what shares are together. */
export function addRows(): void {
  for (const set of document.querySelectorAll<HTMLElement>('[data-rows]')) {
    const add = set.querySelector<HTMLButtonElement>('[name=add]')
    const sum = set.querySelector('[data-sum]')
    if (add === null || sum === null) continue
    add.type = 'button'
    add.addEventListener('click', () => addRow(set))
    const tell = () => (sum.textContent = toldOf(set))
    set.addEventListener('input', tell)
    tell()
  }
}

function addRow(set: HTMLElement): void {
  const rows = [...set.querySelectorAll<HTMLElement>('[data-row]')]
  const last = rows.at(-1)
  const copy = last?.cloneNode(true)
  if (last === undefined || !(copy instanceof HTMLElement)) return
  const place = rows.length
  copy.ariaLabel = `Variant ${place + 1}`
  for (const name of ['id', 'name', 'for', 'aria-describedby'])
    for (const one of copy.querySelectorAll(`[${name}*="."]`)) {
      const own = one.getAttribute(name) ?? ''
      one.setAttribute(name, own.replace(/\.\d+\./, `.${place}.`))
    }
  for (const wrong of copy.querySelectorAll('.wrong')) wrong.remove()
  for (const field of copy.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>(
    'input, textarea',
  )) {
    field.removeAttribute('aria-invalid')
    if (field instanceof HTMLInputElement && field.type === 'radio') {
      field.value = `${place}`
      field.checked = false
    } else field.value = ''
  }
  last.after(copy)
  copy.querySelector('input')?.focus()
}

function toldOf(set: HTMLElement): string {
  const shares = [...set.querySelectorAll<HTMLInputElement>('[name$=".weight"]')]
  const hundredths = shares.reduce(
    (sum, { value }) => sum + Math.round(Number(value.replace(',', '.')) * 100),
    0,
  )
  if (!Number.isFinite(hundredths)) return ''
  const left = 10_000 - hundredths
  if (left === 0) return 'Together 100 %.'
  return `Together ${hundredths / 100} %: ${Math.abs(left) / 100} % ${left > 0 ? 'are left' : 'too much'}.`
}
