/** Sends a request and gives its answer. Throws where that is no success. */
export async function send(what: string, url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init)
  if (!response.ok) throw new Error(`${what}: HTTP ${response.status} ${await response.text()}`)
  return response
}

/** The same for an answer in JSON. */
export async function answer<Answer>(
  what: string,
  url: string,
  init: RequestInit,
): Promise<Answer> {
  return (await (await send(what, url, init)).json()) as Answer // the shapes that the contract promises
}

export const json = (method: string, body: unknown) => ({
  method,
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
})
