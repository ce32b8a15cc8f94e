import { inReadersZone } from './times.ts'

/** Milliseconds between two looks. */
const pause = 1000

/** Shows parts of the page (`data-live`, with an id) as they are now, until none goes on. */
export function refreshLive(): void {
  if (document.querySelector('[data-live]') !== null) setTimeout(() => void refresh(), pause)
}

async function refresh(): Promise<void> {
  const answer = await fetch(location.href).catch(() => undefined)
  if (answer?.ok === true) show(await answer.text())
  refreshLive()
}

function show(text: string): void {
  const fresh = new DOMParser().parseFromString(text, 'text/html')
  for (const part of document.querySelectorAll('[data-live]')) {
    const now = fresh.getElementById(part.id)
    if (now === null || !now.hasAttribute('data-live')) {
      // It has ended: what can be done now is elsewhere on the page.
      location.reload()
      return
    }
    if (now.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue
    part.replaceWith(now)
    inReadersZone(now)
  }
}
