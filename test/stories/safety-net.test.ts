import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { runs } from '../support/property.ts'
import { lost } from '../support/safety-calls.ts'
import { checkEvents, checkGroup } from '../support/safety-checks.ts'
import type { Step } from '../support/safety-deeds.ts'
import { everyKind, histories, start } from '../support/safety-histories.ts'
import type { ModelGroup } from '../support/safety-model.ts'
import { safetyScene, type SafetyScene } from '../support/safety-scene.ts'

afterEach(() => void vi.useRealTimers())

/** What happens in `everyKind`. */
const kinds = [
  ...['ADD successful', 'REPLACE partial', 'ADD no-good-row', 'REPLACE mostly-bad', 'ADD gave-up'],
  ...['REVERT successful', 'REVERT overtaken', 'guarded cancelled', 'guarded successful'],
  ...['preview successful', 'ADD cancelled', 'large pieces', 'lost', 'replayed'],
  ...['told cannot be published', 'told cannot be cancelled', 'told would remove'],
]

/** What has happened. */
const seen = new Set<string>()

function note({ groups, sendings, log }: SafetyScene): void {
  for (const { type, state, failure, held, isPreview } of groups.flatMap(({ jobs }) => jobs)) {
    seen.add(`${type} ${failure ?? state}`)
    if (held !== undefined) seen.add(`${isPreview ? 'preview' : 'guarded'} ${failure ?? state}`)
  }
  for (const { opening, bytes } of sendings)
    if (opening.job !== undefined) seen.add(bytes.length > 2 ** 23 ? 'large pieces' : 'one piece')
  for (const { attempt, answer } of log) {
    if (answer?.status === lost) seen.add('lost')
    if (answer?.replayed === true) seen.add('replayed')
    if (attempt.decides !== undefined && answer?.isRefused === true)
      seen.add(`told ${/cannot be \w+|would remove/.exec(answer.text)?.[0] ?? answer.text}`)
  }
}

async function live(history: Step[]): Promise<void> {
  const scene = await safetyScene()
  const looks = new Map(scene.groups.map((group) => [group, '']))
  for (const one of [...start, ...history]) {
    const touched = await scene.take(one)
    const check = (group: ModelGroup) =>
      checkGroup(scene, group, looks.get(group) !== group.look() || one.deed.what === 'prunes')
    await Promise.all(touched.map(check))
    for (const group of touched) looks.set(group, group.look())
    await checkEvents(scene)
  }
  await scene.settle()
  await Promise.all(scene.groups.map((group) => checkGroup(scene, group, true)))
  await checkEvents(scene)
  await scene.checkFiles()
  note(scene)
  vi.useRealTimers()
}

describe('changes of groups', () => {
  it('are those of the model, each kind of them', async () => {
    await live(everyKind)
    expect([...seen]).toEqual(expect.arrayContaining(kinds))
  }, 120_000)

  it('are those of the model, whatever repeats, meets or dies', async () => {
    await fc.assert(fc.asyncProperty(histories, live), { ...runs(4), endOnFailure: true })
  }, 120_000)
})
