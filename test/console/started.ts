import type { TestProject } from 'vitest/node'
import { temporaryFolder } from '../local/folder.ts'
import { startServer } from '../local/server.ts'
import { startBrowser } from './browser.ts'

declare module 'vitest' {
  interface ProvidedContext {
    url: string
    adminToken: string
    browser: string
  }
}

/** One server and one browser for the stories of all files: both take seconds to start. */
export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const [server, browser] = await Promise.all([
    startServer({ stateDir: temporaryFolder() }),
    startBrowser(),
  ])
  project.provide('url', server.url)
  project.provide('adminToken', server.adminToken)
  project.provide('browser', browser.wsEndpoint())
  return async () => {
    await browser.close()
    await server.stop()
  }
}
