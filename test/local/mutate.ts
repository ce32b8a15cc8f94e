import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { dim, green, red, yellow } from './colour.ts'
import { checkNoDifference, faultsBelow, sample, type Fault } from './mutate/faults.ts'
import { judge, type Judged, type Known } from './mutate/judge.ts'
import { makeLane, type Lane } from './mutate/lane.ts'
import { chance, shuffled } from './mutate/random.ts'
import { main, root } from './program.ts'

function list(places: Fault[][]): number {
  for (const [fault] of places)
    if (fault !== undefined)
      console.log(`${placeOf(fault)}\n${dim(fault.found.trim())}\n${fault.put.trim()}`)
  return 0
}

async function run(
  places: Fault[][],
  { seed, lanes: count, rounds }: { seed: string; lanes: number; rounds: number },
): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'coterie-mutate-'))
  const known: Known = {
    tests: new Map(
      globSync('test/**/*.test.ts', { cwd: root })
        .sort()
        .map((file) => [file, readFileSync(join(root, file), 'utf8')]),
    ),
    passing: new Set(),
    unreliable: new Map(),
    rounds,
  }
  const judged: Judged[] = []
  const next = places.entries()
  const work = async (lane: Lane) => {
    for (const [i, candidates] of next) {
      const one = await judge(lane, candidates, known)
      if (one === undefined) continue
      judged.push(one)
      console.log(`${i + 1}/${places.length} ${progressOf(one)}`)
    }
  }
  const lanes = Array.from({ length: count }, (_, i) => makeLane(join(folder, `${i + 1}`)))
  try {
    await Promise.all(lanes.map(work))
  } finally {
    const report = join(folder, 'faults.json')
    writeFileSync(
      report,
      JSON.stringify({ seed, judged, unreliable: [...known.unreliable] }, null, 2),
    )
    lanes.forEach((lane) => rmSync(lane.folder, { recursive: true, force: true }))
    tell(judged, known)
    console.log(dim(`All of it: ${report}`))
  }
  return 0
}

const placeOf = ({ file, line, operator }: Fault) => `${file}:${line}  ${operator}`

function progressOf({ fault, diff, noticed, seconds }: Judged): string {
  if (noticed === undefined) return `${red('not noticed')} ${placeOf(fault)}, ${seconds} s\n${diff}`
  const how = noticed.how === 'time' ? ', by its time limit' : ''
  return `${green('noticed')} ${placeOf(fault)}, by ${noticed.file}${how}, ${seconds} s`
}

function tell(judged: Judged[], { unreliable }: Known): void {
  const survivors = judged.filter(({ noticed }) => noticed === undefined)
  const late = judged.filter(({ noticed }) => noticed?.how === 'time')
  for (const { fault, diff } of survivors) console.log(`\n${placeOf(fault)}\n${diff}`)
  for (const [file, message] of unreliable)
    console.log(yellow(`\nFailed without the fault, or once only: ${file}\n${message}`))
  const noticed = judged.length - survivors.length
  console.log(
    `\n${judged.length} faults: ${noticed} noticed (${late.length} by a time limit), ` +
      `${survivors.length} not`,
  )
}

// npm run mutate -- --count 100 --seed 7: small faults in src/, one at a time, and who notices.
await main(async () => {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '20' },
      seed: { type: 'string', default: `${Math.floor(Math.random() * 2 ** 31)}` },
      lanes: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '4' },
      room: { type: 'string' },
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
    },
  })
  const { room, only } = values
  checkNoDifference(root)
  const lines = faultsBelow(
    root,
    (file) =>
      (room === undefined || file.startsWith(`src/${room}/`)) &&
      (only === undefined || file === only),
  )
  if (lines.length === 0) throw new Error('No such file or room in src/')
  const random = chance(Number(values.seed))
  // In any order, so that the first of them are a sample too.
  const places = shuffled(sample(lines, Number(values.count), random), random)
  const all = lines.flat().length
  console.log(
    `${places.length} faults of ${all} that can be made in ${lines.length} lines, ` +
      `seed ${values.seed}`,
  )
  if (values.list) return list(places)
  const { seed, lanes: lanesMost, rounds } = values
  return run(places, { seed, lanes: Number(lanesMost), rounds: Number(rounds) })
})
