import { join } from 'node:path'
import { getToken, registerClient } from '../local/api.ts'
import { startServer } from '../local/server.ts'
import { median, type Row } from './row.ts'
import { inTurn, request } from './turns.ts'

const tokens = 500
const checks = 3000

/** Small requests, one after the other over a kept connection, at the median. */
export async function requests(folder: string): Promise<Row[]> {
  const server = await startServer({ stateDir: join(folder, 'state') })
  const { url, adminToken } = server
  const client = await registerClient(url, adminToken, 'bench')

  // Neither route queries the database; the second checks its token. wrangler's proxy delays each
  // 400 by 0.2 ms.
  const timed = (path: string) => (token: string) =>
    request(url + path, { Authorization: `Bearer ${token}` }, 404)
  const [empty, checked] = [timed('/nothing'), timed('/platform/workspaces/1/nothing')]

  const held: string[] = []
  const token = async () => void held.push(await getToken(url, client))
  await token()
  const known = held[0] ?? ''
  await inTurn(200, [() => empty(known), token, () => checked(known)])

  held.length = 0
  const issued = await inTurn(tokens, [() => empty(known), token])
  const unseen = await inTurn(tokens, [(i) => empty(held[i] ?? ''), (i) => checked(held[i] ?? '')])
  const seen = await inTurn(checks, [() => empty(known), () => checked(known)])
  await server.stop()

  const row = ([empty = [], measured = []]: number[][]) =>
    ({
      measured: median(measured),
      beside: 'empty route',
      baseline: median(empty),
      unit: 'ms',
    }) as const
  return [
    { figure: 'a token, with all that wrangler adds', ...row(issued), by: 'itself', most: 10 },
    { figure: 'a token, beyond an empty request', ...row(issued), by: 'difference', most: 10 },
    { figure: 'a request with a token', ...row(seen), by: 'difference', most: 0.2 },
    { figure: 'a request with a token not seen before', ...row(unseen), by: 'difference' },
  ]
}
