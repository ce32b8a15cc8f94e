import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { doors, Hostile, harm, type Harm } from '../support/hostile.ts'
import { history, lastAnswers, mark, Neighbour } from '../support/neighbour.ts'
import { runs } from '../support/property.ts'
import { emptyTables, everyRow } from '../support/store.ts'

/** A workspace that has lived; before each of its steps, something may begin beside it. */
async function lived(begins: (step: number, of: Neighbour) => Promise<unknown>[] = () => []) {
  const neighbour = await Neighbour.open()
  for (const [i, does] of history.entries()) {
    const beside = begins(i, neighbour)
    await does(neighbour)
    await neighbour.settled()
    await Promise.all(beside)
  }
  await neighbour.settled()
  return neighbour
}

let first: Neighbour
let alone: Record<string, string>
beforeAll(async () => {
  first = await lived()
  alone = await lastAnswers(first)
}, 30_000)

it('a workspace alone is answered as it should be', async () => {
  const refused = Object.entries(alone).filter(([, answer]) => !/^20[024]/.test(answer))
  expect(refused.map(([what]) => what)).toEqual(['cid', 'rows'])
  expect(alone['bob']).toContain('"household:has_dog":false')
  expect(alone['members of larks']).toContain('"participants":[]')
  expect(alone['GET /groups/v3/groups/:groupId/participants']).toContain('"participants":["dan"]')
})

it('no door lets anybody reach what another workspace has', async () => {
  const { ids, team } = first
  const theirs = await everyRow()
  const hostile = await Hostile.open()
  for (const door of doors)
    for (const [things, workspace] of [
      ['theirs', 'theirs'],
      ['ours', 'theirs'],
      ['theirs', 'ours'],
    ] as const) {
      const answer = await hostile.does({ kind: 'knock', door, things, workspace }, ids)
      const about = `${door.name} ${things} ${workspace} ${answer.status} ${await answer.text()}`
      expect(about).not.toContain(mark)
      expect(about).not.toMatch(/ 50\d /)
      if (workspace === 'theirs' && door.template.includes(':workspace_id'))
        expect(about).toContain(' 403 ')
    }
  const after = await everyRow()
  expect([...theirs.difference(after)]).toEqual([])
  const named = `"workspace_id":${team.workspace},`
  expect([...after.difference(theirs)].filter((row) => row.includes(named))).toEqual([])
})

it('whatever one workspace does, another is answered as if it were alone', async () => {
  const harms = fc.array(fc.array(harm, { maxLength: 6 }), {
    minLength: history.length,
    maxLength: history.length,
  })
  await fc.assert(
    fc.asyncProperty(harms, async (harms) => {
      await emptyTables()
      const hostile = await Hostile.open()
      const seen: string[] = []
      const does = async (harm: Harm, ids: Record<string, string>) => {
        const answer = await hostile.does(harm, ids)
        const text = await answer.text()
        if ((answer.status >= 500 && answer.status !== 503) || text.includes(mark))
          seen.push(`${JSON.stringify(harm)} ${answer.status} ${text}`)
      }
      const beside = await lived((step, { ids }) =>
        (harms[step] ?? []).map((harm) => does(harm, { ...ids })),
      )
      expect(seen).toEqual([])
      expect(await lastAnswers(beside)).toEqual(alone)
    }),
    runs(2),
  )
})
