import { setTimeout as sleep } from 'node:timers/promises'

/** Milliseconds without a step after which work is thought lost. */
const patience = 120_000

/** How work stands whose status is CREATED or PROCESSING until it ends. */
export const standing = (status: string, step: string) => ({
  ended: status !== 'CREATED' && status !== 'PROCESSING',
  step,
})

/** Work that goes on by itself, as one sees it from outside. */
export interface Work<State> {
  name: string
  read: () => Promise<State>
  /** Whether it has ended, and what is another with every step that it takes. */
  progress: (state: State) => { ended: boolean; step: string }
}

/**
 * Polls until the work has ended; `seen` gets each state. Throws where it does not move for long.
 */
export async function watch<State>(
  { name, read, progress }: Work<State>,
  every: number,
  seen: (state: State) => void,
): Promise<State> {
  let moved = { to: '', at: Date.now() }
  for (;;) {
    const state = await read()
    seen(state)
    const { ended, step } = progress(state)
    if (ended) return state
    if (moved.to !== step) moved = { to: step, at: Date.now() }
    if (Date.now() - moved.at > patience)
      throw new Error(`${name} has stood at ${step} for ${patience / 1000} s`)
    await sleep(every)
  }
}
