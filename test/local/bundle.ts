import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { temporaryFolder } from './folder.ts'
import { main, start } from './program.ts'

/** KiB of the Worker as it is sent: a larger one starts later. */
const most = 450

/** Builds the Worker as a deployment does, and says how large it is; fails where it is too large. */
await main(async () => {
  const folder = temporaryFolder()
  const env = { WRANGLER_SEND_METRICS: 'false', WRANGLER_WRITE_LOGS: 'false' }
  const built = start('wrangler', ['deploy', '--dry-run', '--outdir', folder], env)
  if ((await built.ended) !== 0) throw new Error(`The Worker is not built:\n${built.tail()}`)
  const size = gzipSync(readFileSync(join(folder, 'index.js')), { level: 9 }).length / 1024
  console.log(`The Worker has ${Math.ceil(size)} KiB, packed; ${most} are the most.`)
  return size > most ? 1 : 0
})
