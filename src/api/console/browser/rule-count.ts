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

  const say = (text: string) =>
    box.replaceChildren(
      element('p', { class: 'soft' }, text),
      ...box.querySelectorAll('p:last-child'),
    )
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
    if (answer?.ok !== true || counted === null) {
      const told = page.querySelector('#rule-wrong') ?? page.querySelector('.about')
      say(told?.textContent ?? 'The server cannot be reached: nobody is counted.')
      return
    }
    box.replaceChildren(...counted.childNodes)
    const next = box.querySelector<HTMLButtonElement>('[name=continue]')
    if (next !== null) await ask(own, next.value)
  }

  return () => {
    clearTimeout(timer)
    const own = ++last
    if (isBlank(text.value)) {
      box.ariaBusy = 'false'
      say('Name the attribute of each condition: then who matches is counted here.')
      return
    }
    // What is shown is the count of another rule.
    box.ariaBusy = 'true'
    timer = setTimeout(() => void ask(own), quiet)
  }
}

/** Whether an attribute is still to be named. */
const isBlank = (rule: string): boolean => /"attribute":\s*""/.test(rule)
