import { env } from 'cloudflare:workers'
import { addColumns } from './added-columns.ts'
import { ageWhatIsLeft } from './left-waiting.ts'
import { showLogOfFailed } from './quiet.ts'

showLogOfFailed()
ageWhatIsLeft()
await migrate()
if (env.ADDED_COLUMNS === 'true') await addColumns()

/** All migrations in one call, unless another file of this worker was first. */
async function migrate(): Promise<void> {
  const done = await env.DB.prepare("SELECT 1 FROM sqlite_master WHERE name = 'clients'").first()
  if (done !== null) return
  const queries = env.MIGRATIONS.flatMap(({ queries }) => queries)
  await env.DB.batch(queries.map((query) => env.DB.prepare(query)))
}
