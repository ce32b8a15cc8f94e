const digits = new Intl.NumberFormat('en')
const count = (value: number) => digits.format(Math.round(value)).replaceAll(',', '\u202f')

/** A slider beside the traffic of an experiment, and how many people that is. */
export function slideTraffic(): void {
  for (const field of document.querySelectorAll<HTMLElement>('[data-traffic]')) slide(field)
}

function slide(field: HTMLElement): void {
  const slider = field.querySelector<HTMLInputElement>('[type=range]')
  const number = field.querySelector<HTMLInputElement>('#traffic')
  const told = field.querySelector('output')
  if (slider === null || number === null || told === null) return
  const people = Number(field.dataset['traffic'])
  const before = Number(number.defaultValue)
  const tell = () => {
    const percent = Number(number.value.replace(',', '.'))
    if (!Number.isFinite(percent) || percent < 0 || percent > 100) return
    slider.value = `${percent}`
    if (field.dataset['traffic'] === '') return
    const more = Math.round((people * percent) / 100) - Math.round((people * before) / 100)
    const change = more === 0 ? '' : more > 0 ? `, ${count(more)} more` : `, ${count(-more)} fewer`
    told.textContent = `about ${count((people * percent) / 100)} of ${count(people)} people${change}`
  }
  slider.addEventListener('input', () => {
    number.value = slider.value
    tell()
  })
  number.addEventListener('input', tell)
  slider.hidden = false
}
