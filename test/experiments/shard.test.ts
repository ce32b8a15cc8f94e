import { describe, expect, it } from 'vitest'
import readme from '../../src/README.md?raw'
import { shardOf } from '../../src/experiments/shard.ts'
import { call } from '../support/api.ts'

/** The vectors that a document publishes, as its table has them. */
const published = (document: string) =>
  [...document.matchAll(/^\| (traffic-x|split-x) +\| (\S+) +\| (\d+) +\|$/gm)].map(
    ([, salt = '', key = '', shard = '']): [string, string, number] => [salt, key, Number(shard)],
  )

const known: [salt: string, key: string, shard: number][] = [
  ['traffic-x', 'alice', 8409],
  ['traffic-x', 'bob', 944],
  ['split-x', 'alice', 5293],
  ['split-x', 'bob', 7979],
  ['split-x', 'josé', 5303],
  ['split-x', '李雷', 6127],
  ['split-x', '😀', 7820],
]

describe('a shard', () => {
  it.each(known)('is what it was when it was published: %s, %s', (salt, key, shard) => {
    expect(shardOf(salt, key)).toBe(shard)
  })

  it('is published in two documents, with the same lines of SQL, Python and shell', async () => {
    const answer = await call('/openapi.json')
    const { paths } = await answer.json<{
      paths: Record<string, { get?: { description: string } }>
    }>()
    const path =
      '/platform/workspaces/{workspace_id}/experiments/{experiment_id}/assignments/{participant_id}'
    const description = paths[path]?.get?.description ?? ''
    expect(published(description)).toEqual(known)
    expect(published(readme)).toEqual(known)
    const lines = description.slice(description.indexOf('```sql'))
    for (const language of ['PostgreSQL', 'BigQuery', 'Snowflake', 'python', 'sh\n'])
      expect(lines).toContain(language)
    expect(readme).toContain(lines)
  })
})
