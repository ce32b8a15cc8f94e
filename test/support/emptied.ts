import { env } from 'cloudflare:workers'
import { emptyTables } from './store.ts'

await emptyTables()
await emptyFiles()

/** Removes what the file before left in R2. */
async function emptyFiles(): Promise<void> {
  for (;;) {
    const { objects, truncated } = await env.FILES.list()
    if (objects.length > 0) await env.FILES.delete(objects.map(({ key }) => key))
    if (!truncated) return
  }
}
