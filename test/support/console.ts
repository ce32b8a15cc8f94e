import { call, type Client } from './api.ts'

/** A browser that is signed in to the console, as far as the Worker sees it. */
export interface Browser {
  cookie: string
  /** Of its forms. */
  token: string
}

const urlencoded = 'application/x-www-form-urlencoded'

/** What a browser sends with a form. */
export const formOf = (fields: Record<string, string> | URLSearchParams): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': urlencoded },
  body: new URLSearchParams(fields).toString(),
})

/** The cookie that an answer sets, as a browser sends it back. */
export const cookieOf = (answer: Response): string =>
  answer.headers.getSetCookie()[0]?.split(';')[0] ?? ''

/** Signs a client in by its secret. */
export async function signIn({ id, secret }: Client): Promise<Browser> {
  const fields = { client_id: id, client_secret: secret, to: '/console/reference' }
  const cookie = cookieOf(await visit('/console/sign-in', undefined, formOf(fields)))
  const page = await (await visit('/console/reference', cookie)).text()
  const token = /name="_token" value="([^"]+)"/.exec(page)?.[1]
  if (token === undefined) throw new Error(`no form is on ${page}`)
  return { cookie, token }
}

/** A request of a browser, which follows no redirect. */
export const visit = (path: string, cookie?: string, init: RequestInit = {}): Promise<Response> =>
  call(path, {
    ...init,
    redirect: 'manual',
    headers: {
      ...(init.headers as Record<string, string>), // as `formOf` writes them
      ...(cookie !== undefined && { cookie }),
    },
  })

/** A form of a page of this browser. */
export const send = (
  path: string,
  { cookie, token }: Browser,
  fields: Record<string, string> = {},
): Promise<Response> => visit(path, cookie, formOf({ ...fields, _token: token }))
