import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { getToken, Groups, registerClient } from '../local/api.ts'
import { startServer } from '../local/server.ts'
import { sendInPieces } from '../local/tus.ts'
import { randomIds, writeIds } from './ids.ts'
import { median, type Row } from './row.ts'

const full = { ids: 1_000_000, rounds: 3 }

const note = `Pieces of 8 MiB by tus-js-client, one after the other, beside one request with the same file, in turn.`

/** Seconds until a file is sent, and until its job is live. */
interface Times {
  sent: number
  live: number
}

/** A file in pieces beside the same in one request: medians of the rounds. */
export async function tus(folder: string, size = full): Promise<Row[]> {
  const server = await startServer({ stateDir: join(folder, 'state') })
  const client = await registerClient(server.url, server.adminToken, 'bench')
  const token = await getToken(server.url, client)
  const groups = new Groups(server.url, token)
  const file = writeIds(join(folder, 'ids.csv'), randomIds(size.ids))

  const ways: Record<'pieces' | 'whole', (group: string) => Promise<string>> = {
    pieces: (group) =>
      sendInPieces({
        ...{ file, token, chunkSize: 8 * 1024 * 1024 },
        endpoint: `${server.url}/groups/v3/groups/${group}/uploads`,
        metadata: { filename: 'bench.csv', type: 'ADD' },
      }),
    whole: (group) =>
      groups.upload(group, { type: 'ADD', name: 'bench.csv', content: createReadStream(file) }),
  }
  const times: Record<'pieces' | 'whole', Times[]> = { pieces: [], whole: [] }
  for (let round = 1; round <= size.rounds; round++)
    for (const way of ['pieces', 'whole'] as const) {
      const group = await groups.create(`${way} ${round}`)
      const taken = await timed(groups, () => ways[way](group), size.ids)
      times[way].push(taken)
      console.error(
        `round ${round}: ${way}: sent ${taken.sent.toFixed(2)} s, live ${taken.live.toFixed(2)} s`,
      )
    }
  await server.stop()

  const row = (figure: string, of: keyof Times): Row => ({
    ...{ figure, beside: 'one request', unit: 's', by: 'ratio', most: 1.3, note },
    measured: median(times.pieces.map((one) => one[of])),
    baseline: median(times.whole.map((one) => one[of])),
  })
  return [
    row('1,000,000 rows in pieces, until they are sent', 'sent'),
    row('1,000,000 rows in pieces, until they are live', 'live'),
  ]
}

/** A figure counts only if everybody has joined. */
async function timed(groups: Groups, send: () => Promise<string>, ids: number): Promise<Times> {
  const start = performance.now()
  const since = () => (performance.now() - start) / 1000
  const jobId = await send()
  const sent = since()
  const job = await groups.finished(jobId, 200)
  if (job.jobStatus !== 'SUCCESSFUL' || job.addedCount !== ids)
    throw new Error(`Of ${ids}, ${job.addedCount} were added: ${job.jobStatus}`)
  return { sent, live: since() }
}
