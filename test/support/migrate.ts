import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { addColumns } from './added-columns.ts'
import { ageWhatIsLeft } from './left-waiting.ts'
import { showLogOfFailed } from './quiet.ts'

showLogOfFailed()
ageWhatIsLeft()
await applyD1Migrations(env.DB, env.MIGRATIONS)
if (env.ADDED_COLUMNS === 'true') await addColumns()
