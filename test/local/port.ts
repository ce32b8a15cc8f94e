import { once } from 'node:events'
import { createServer } from 'node:net'

/** A free port: the named one, or any. Throws if the named one is taken. */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    throw taken
      ? new Error(`Port ${wanted} is taken: stop what listens there, or name another one in PORT`)
      : error
  }
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string')
    throw new Error('A listening server has no port')
  return address.port
}
