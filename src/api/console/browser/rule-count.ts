import { element } from './element.ts'

/** Milliseconds without typing before the server is asked. */
const quiet = 500

/** A function that has the server count who matches a rule, once nobody types. */
export function liveCount(text: HTMLTextAreaElement): () => void {
  const box = document.getElementById('matches')
  const { form } = text
  if (box === null || form === null) return () => undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let last = 0

  const ask = async (own: number, token?: string): Promise<void> => {
    const fields = [...new FormData(form)].map(([name, value]) => [name, String(value)])
    const body = new URLSearchParams([...fields, ...(token ? [['continue', token]] : [])])
    const answer = await fetch('/console/audiences/-/count', { method: 'POST', body }).catch(
      () => undefined,
    )
    const page = new DOMParser().parseFromString((await answer?.text()) ?? '', 'text/html')
    // Somebody has typed since.
    if (own !== last) return
    box.ariaBusy = 'false'
    const counted = page.getElementById('matches')
    if (answer?.ok === true && counted !== null) box.replaceChildren(...counted.childNodes)
    else {
      const problem = page.querySelector('#rule-wrong, .about')?.textContent
      const told = problem ?? 'The server cannot be reached: the count is an old one.'
      box.replaceChildren(
        element('p', { class: 'soft' }, told),
        ...box.querySelectorAll('p:last-child'),
      )
    }
    const next = box.querySelector<HTMLButtonElement>('[name=continue]')
    if (next !== null) await ask(own, next.value)
  }

  return () => {
    clearTimeout(timer)
    const own = ++last
    // What is shown is the count of another rule.
    box.ariaBusy = 'true'
    if (!isBlank(text.value)) timer = setTimeout(() => void ask(own), quiet)
  }
}

/** Whether an attribute is still to be named. */
const isBlank = (rule: string): boolean => /"attribute":\s*""/.test(rule)
