import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { dim } from '../colour.ts'
import { root } from '../program.ts'

/** Cloudflare, by wrangler and by its API; the dry one prints what the other does, and knows nothing. */
export interface Platform {
  dry: boolean
  /** What wrangler printed; `input` is what it reads. Throws what it said where it fails. */
  wrangler: (args: string[], input?: string) => string
  /** The `result` of a call, an object or a list. */
  api: (method: 'GET' | 'PUT', path: string, body?: object) => Promise<object>
}

export const dryPlatform: Platform = {
  dry: true,
  wrangler: (args) => {
    console.log(dim(`  wrangler ${args.join(' ')}`))
    return ''
  },
  api: (method, path, body) => {
    console.log(dim(`  ${method} ${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`))
    return Promise.resolve({})
  },
}

/** Throws where the environment has no token. */
export function platform(): Platform {
  const token = process.env['CLOUDFLARE_API_TOKEN'] ?? ''
  if (token === '')
    throw new Error('CLOUDFLARE_API_TOKEN is not set: README says which permissions it needs')
  return { dry: false, wrangler, api: (...call) => callApi(token, ...call) }
}

function wrangler(args: string[], input = ''): string {
  const { PATH = '' } = process.env
  const { status, stdout, stderr, error } = spawnSync('wrangler', args, {
    cwd: root,
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    env: {
      ...process.env,
      PATH: [PATH, join(root, 'node_modules/.bin')].join(delimiter),
      NO_COLOR: '1',
      WRANGLER_SEND_METRICS: 'false',
    },
  })
  if (error !== undefined) throw error
  const said = stripVTControlCharacters(`${stdout}\n${stderr}`).trim()
  if (status !== 0) throw new Error(`wrangler ${args.join(' ')}:\n${said}`)
  return stripVTControlCharacters(stdout)
}

const apiUrl = () =>
  process.env['CLOUDFLARE_API_BASE_URL'] ?? 'https://api.cloudflare.com/client/v4'

async function callApi(
  token: string,
  ...[method, path, body]: Parameters<Platform['api']>
): Promise<object> {
  const answer = await fetch(apiUrl() + path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: HTTP ${answer.status} ${text}`)
  return (JSON.parse(text) as { result: object }).result // as Cloudflare's API answers
}
