import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import { scopes, type Scope } from '../../src/access/scopes.ts'
import { newClient, tokenOf, type Client } from '../support/api.ts'
import { formOf, send, signIn, visit, type Browser } from '../support/console.ts'
import { Receiver } from '../support/receiver.ts'
import { settled } from '../support/settled.ts'

let ids: Record<string, string>
let workspace: number
let own: Browser

beforeAll(async () => {
  const all = await settled()
  workspace = all.team.workspace
  ids = all.ids
  own = await signIn(await newClient([...scopes], workspace))
}, 60_000)

describe('a form that is refused', () => {
  it.each<[Scope, string, string]>([
    ['groups:read', 'jobs', 'publish'],
    ['groups:read', 'jobs', 'cancel'],
    ['experiments:read', 'experiments', 'status'],
    ['experiments:read', 'experiments', 'traffic'],
    ['experiments:read', 'experiments', 'balance'],
    ['experiments:read', 'experiments', 'delete'],
    ['audiences:read', 'audiences', 'group'],
    ['audiences:read', 'audiences', 'detach'],
    ['audiences:read', 'audiences', 'sync'],
    ['audiences:read', 'audiences', 'delete'],
  ])('shows nothing to who has not %s: %s, %s', async (scope, place, what) => {
    const blind = await newClient(
      scopes.filter((one) => one !== scope),
      workspace,
    )
    const id = { jobs: ids['heldJobId'], experiments: 'summer', audiences: 'coupon' }[place] ?? ''
    const wrong = { expectedRemoved: 'x', to: 'x', traffic: 'x', confirm: 'x', mode: 'x' }
    const answer = await send(
      `/console/${place}/${id}/${what}?person=ann`,
      await signIn(blind),
      wrong,
    )
    expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining(scope)])
  })
})

/** The secret that a page shows. */
const secretIn = (page: string) => /id="secret"[^>]*value="([^"]+)"/.exec(page)?.[1]

/** The form of a page, as it stands there: what is sent by two clicks, or by loading the answer again. */
async function onceOf(path: string): Promise<Record<string, string>> {
  const page = await (await visit(path, own.cookie)).text()
  const [, _once = ''] = /name="_once" value="([^"]+)"/.exec(page) ?? []
  return { _once }
}

/** What a form says when it is sent twice at once, and a third time. */
async function thrice(path: string, fields: Record<string, string>) {
  const sent = async () => {
    const answer = await send(path, own, fields)
    return [answer.status, secretIn(await answer.text())]
  }
  return [...(await Promise.all([sent(), sent()])), await sent()]
}

const good = async (client: Client) => (await tokenOf(client)) !== 'undefined'

describe('a form that is sent again', () => {
  const admin = { admin_token: env.ADMIN_TOKEN }

  it('gives a client one new secret, and its former stays good', async () => {
    const client = await newClient(['groups:read'], workspace)
    const path = `/console/settings/clients/${client.id}`
    const form = { ...(await onceOf(path)), ...admin, action: 'rotate' }
    const [[status, secret] = [], ...again] = await thrice(path, form)
    expect([status, again]).toEqual([200, [Array(2).fill([200, secret])].flat()])
    expect(await good({ ...client, secret: String(secret) })).toBe(true)
    expect(await good(client)).toBe(true)
    // A page that is opened anew gives another one.
    const other = await send(path, own, { ...form, ...(await onceOf(path)) })
    expect(secretIn(await other.text())).not.toBe(secret)
  })

  it('makes one client', async () => {
    const path = '/console/settings/clients/new'
    const form = { ...(await onceOf(path)), ...admin, name: 'twice', scopes: 'groups:read' }
    const answers = await thrice(path, { ...form, workspace: String(workspace) })
    expect(new Set(answers.map(String)).size).toBe(1)
    const { results } = await env.DB.prepare(`SELECT id FROM clients WHERE name = 'twice'`).all()
    expect(results).toHaveLength(1)
  })

  it('makes one webhook, and one new secret of it', async () => {
    const page = '/console/webhooks/new'
    const { url } = new Receiver()
    const made = await thrice(page, { ...(await onceOf(page)), url, which: 'usual' })
    expect(new Set(made.map(String)).size).toBe(1)
    const { results } = await env.DB.prepare('SELECT id, secret FROM webhooks WHERE url = ?')
      .bind(url)
      .all<{ id: string }>()
    expect(results).toHaveLength(1)
    const path = `/console/webhooks/${results[0]?.id ?? ''}`
    const rotated = await thrice(`${path}/rotate`, await onceOf(path))
    expect(new Set(rotated.map(String)).size).toBe(1)
    expect(rotated[0]?.[1]).not.toBe(made[0]?.[1])
    const former = await env.DB.prepare('SELECT former_secret FROM webhooks WHERE url = ?')
      .bind(url)
      .first<string>('former_secret')
    expect(former).toBe(made[0]?.[1])
  })
})

/** What a browser would send of the form of a page. */
async function filledIn(path: string): Promise<URLSearchParams> {
  const fields = new URLSearchParams()
  let open = ''
  let text = ''
  const answer = new HTMLRewriter()
    .on('main input', {
      element(input) {
        const type = input.getAttribute('type') ?? ''
        const isSent = !/radio|checkbox/.test(type) || input.hasAttribute('checked')
        const said = (input.getAttribute('value') ?? '').replaceAll('&quot;', '"')
        if (isSent) fields.append(input.getAttribute('name') ?? '', said)
      },
    })
    .on('main select', { element: (select) => void (open = select.getAttribute('name') ?? '') })
    .on('main option[selected]', {
      element: (option) => fields.append(open, option.getAttribute('value') ?? ''),
    })
    .on('main textarea', {
      element(area) {
        const name = area.getAttribute('name') ?? ''
        text = ''
        area.onEndTag(() => fields.append(name, text.replaceAll('&quot;', '"')))
      },
      text: (chunk) => void (text += chunk.text),
    })
    .transform(await visit(path, own.cookie))
  await answer.text()
  return fields
}

describe('a form of what was changed meanwhile', () => {
  const sendForm = (path: string, fields: URLSearchParams) =>
    visit(path, own.cookie, formOf(fields))

  it.each([
    ['experiments/summer', 'edit', 'experiments'],
    ['audiences/coupon', 'edit', 'audiences'],
    ['households/household', 'change', 'group_definitions'],
  ])('takes nothing back: %s', async (place, change, table) => {
    const path = `/console/${place}/${change}`
    const [hers, his] = [await filledIn(path), await filledIn(path)]
    const descriptions = async () =>
      (
        await env.DB.prepare(`SELECT description FROM ${table} WHERE workspace_id = ?`)
          .bind(workspace)
          .all<{ description: string }>()
      ).results.map(({ description }) => description)
    hers.set('description', 'hers')
    const saved = await sendForm(path, hers)
    expect([saved.status, await saved.text()]).toEqual([303, ''])
    his.set('description', 'his')
    const refused = await sendForm(path, his)
    const page = await refused.text()
    expect([refused.status, page]).toEqual([422, expect.stringContaining('changed meanwhile')])
    // What was typed stays, and is still of the page that was opened first.
    expect(page).toContain('his')
    expect(page).toContain(`name="_seen" value="${his.get('_seen') ?? ''}"`)
    expect(await descriptions()).toEqual(['hers'])
    expect((await sendForm(path, await filledIn(path))).status).toBe(303)
  })
})
