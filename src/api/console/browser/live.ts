import { inReadersZone } from './times.ts'

/** Milliseconds before each look while nothing changes: what waits for somebody may wait for days. */
const pauses = [200, 500, 1000, 1000, 2000, 2000, 5000, 10_000]

/** What the server said last of a part, in which times are not yet those of the reader's zone. */
const said = new Map<string, string>()

/** Shows parts of the page (`data-live`, with an id) as they are now, until none goes on. */
export function refreshLive(looks = 0): void {
  if (document.querySelector('[data-live]') === null) return
  setTimeout(() => void refresh(looks), pauses[Math.min(looks, pauses.length - 1)])
}

async function refresh(looks: number): Promise<void> {
  const answer = await fetch(location.href).catch(() => undefined)
  const hasChanged = answer?.ok === true && show(await answer.text())
  refreshLive(hasChanged ? 1 : looks + 1)
}

/** Whether something is shown otherwise than before. */
function show(text: string): boolean {
  let hasChanged = false
  const fresh = new DOMParser().parseFromString(text, 'text/html')
  for (const part of document.querySelectorAll('[data-live]')) {
    const now = fresh.getElementById(part.id)
    if (now === null || !now.hasAttribute('data-live')) {
      // It has ended: what can be done now is elsewhere on the page.
      location.reload()
      return true
    }
    const { innerHTML } = now
    const before = said.get(part.id) ?? part.innerHTML
    if (innerHTML === before || part.contains(document.activeElement)) continue
    hasChanged = true
    said.set(part.id, innerHTML)
    part.replaceWith(now)
    inReadersZone(now)
  }
  return hasChanged
}
