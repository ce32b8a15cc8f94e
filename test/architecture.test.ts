import { describe, expect, it } from 'vitest'

const sources = import.meta.glob<string>(
  ['../src/**/*.{ts,tsx}', '!../src/api/console/browser/**'],
  {
    query: '?raw',
    import: 'default',
    eager: true,
  },
)
const files = Object.entries(sources).map(([path, text]) => ({
  path: path.replace('../src/', ''),
  text,
}))

/** From left to right: each room imports only itself and what stands to its right. */
const ranks = [
  ['index'],
  ['api', 'crons'],
  ['usage'],
  ['audiences', 'erasure'],
  ['experiments'],
  ['audit', 'experience', 'identity'],
  ['access', 'moving'],
  ['membership', 'webhooks', 'jobs'],
  ['idempotency', 'person-hash'],
  ['places'],
  ['resources'],
  ['db', 'limits', 'metrics', 'queues'],
  ['moment'],
  ['failure', 'json', 'messages', 'spellings', 'text', 'time', 'vars'],
  ['actor'],
]
const roomOf = (path: string) => path.split('/')[0]?.replace('.ts', '') ?? ''
const rankOf = (room: string) => ranks.findIndex((rooms) => rooms.includes(room))

/** Pure files: time, ids and network are arguments, so they import only pure files. */
const pure = [
  'audiences/compare.ts',
  'audiences/compile.ts',
  'audiences/cost.ts',
  'audiences/pattern.ts',
  'audiences/expand.ts',
  'audiences/refresh-period.ts',
  'audiences/rule.ts',
  'audit/digest.ts',
  'erasure/mentions.ts',
  'experience/participant.ts',
  'experiments/change.ts',
  'experiments/chi-squared.ts',
  'experiments/variants.ts',
  'experiments/eligible.ts',
  'experiments/explain.ts',
  'experiments/md5.ts',
  'experiments/shard.ts',
  'experiments/split.ts',
  'experience/slice.ts',
  'experience/sort.ts',
  'identity/aggregate.ts',
  'identity/attributes.ts',
  'identity/exclusion.ts',
  'identity/matching.ts',
  'identity/readings.ts',
  'identity/sent-report.ts',
  'identity/week.ts',
  'webhooks/address.ts',
  'webhooks/event.ts',
  'webhooks/event-object.ts',
  'webhooks/phrases.ts',
  'webhooks/record.ts',
  'webhooks/schedule.ts',
  'webhooks/sign.ts',
  'moving/tables.ts',
  'moving/triggers.ts',
  'membership/csv-cell.ts',
  'jobs/batch-size.ts',
  'jobs/csv.ts',
  'jobs/file-name.ts',
  'jobs/format.ts',
  'jobs/header.ts',
  'jobs/interruptible.ts',
  'jobs/job.ts',
  'jobs/merge-sort.ts',
  'jobs/outcome.ts',
  'jobs/part-buffer.ts',
  'jobs/problem.ts',
  'jobs/sha256.ts',
  'jobs/signature.ts',
  'jobs/slice.ts',
  'actor.ts',
  'failure.ts',
  'json.ts',
  'limits.ts',
  'messages.ts',
  'moment.ts',
  'metrics.ts',
  'spellings.ts',
  'text.ts',
  'time.ts',
  'vars.ts',
]

interface Import {
  from: string
  typeOnly: boolean
}

function importsOf({ path, text }: { path: string; text: string }): Import[] {
  return [...text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '([^']+)'/gm)].map(
    ([, type, from = '']) => ({
      from: from.startsWith('.') ? new URL(from, `file:///${path}`).pathname.slice(1) : from,
      typeOnly: type !== undefined,
    }),
  )
}

const inner = (from: string) => /\.tsx?$/.test(from)

describe('the rooms', () => {
  it.each(files.map((file) => [file.path, file] as const))(
    '%s imports only what stands to its right',
    (path, file) => {
      const here = roomOf(path)
      expect(rankOf(here)).toBeGreaterThanOrEqual(0)
      for (const { from } of importsOf(file).filter(({ from }) => inner(from))) {
        const there = roomOf(from)
        if (there !== here)
          expect({ from, rank: rankOf(there) }).toEqual({
            from,
            rank: Math.max(rankOf(there), rankOf(here) + 1),
          })
      }
    },
  )

  it('know SQL only outside api/, and HTTP and zod only inside', () => {
    for (const file of files) {
      const outer = importsOf(file).map(({ from }) => from)
      const isApi = roomOf(file.path) === 'api'
      for (const from of outer) {
        if (isApi) expect(from).not.toMatch(/^drizzle|^db\/schema/)
        else
          expect({ path: file.path, from }).not.toEqual({
            path: file.path,
            from: expect.stringMatching(/^(hono|zod|multipasta|@hono)/),
          })
      }
    }
  })

  it('have no circle of files', () => {
    const imports = new Map(
      files.map((file) => [
        file.path,
        importsOf(file).flatMap(({ from, typeOnly }) => (inner(from) && !typeOnly ? [from] : [])),
      ]),
    )
    const visit = (path: string, above: readonly string[]): void => {
      expect(above).not.toContain(path)
      for (const from of imports.get(path) ?? []) visit(from, [...above, path])
      imports.delete(path)
    }
    for (const { path } of files) visit(path, [])
  })

  it('have no line over 120 columns', () => {
    for (const { path, text } of files)
      expect({ path, long: text.split('\n').filter((line) => line.length > 120) }).toEqual({
        path,
        long: [],
      })
  })

  it('keep rules apart from storage', () => {
    for (const path of pure) {
      const file = files.find((one) => one.path === path)
      if (file === undefined) throw new Error(`${path} is gone: take it out of this list`)
      for (const { from, typeOnly } of importsOf(file))
        if (inner(from) && !typeOnly) expect(pure).toContain(from)
    }
  })

  it('read the environment in one place', () => {
    for (const { path, text } of files.filter(
      ({ path }) => !['resources.ts', 'index.ts', 'api/app.ts'].includes(path),
    ))
      expect({ path, env: /\benv\b\.|c\.env/.test(text) }).toEqual({ path, env: false })
  })

  it('have no folder for odds and ends, and no overlong file', () => {
    for (const { path, text } of files) {
      expect(path).not.toMatch(/(^|\/)(utils?|lib|helpers?|common|services?|misc)(\.ts|\/)/)
      if (path !== 'db/schema.ts')
        expect({ path, long: text.split('\n').length > 251 }).toEqual({ path, long: false })
    }
  })

  it('have no any, no non-null assertion, and no suppressed error', () => {
    for (const { path, text } of files) {
      const found =
        text.match(/: any\b|\bas any\b|@ts-ignore|@ts-expect-error|\w!\.|\w\)!|\]!/g) ?? []
      expect({ path, found }).toEqual({ path, found: [] })
    }
  })
})
