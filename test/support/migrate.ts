import { env } from 'cloudflare:workers'
import { addColumns } from './added-columns.ts'
import { databases, migrate } from './databases.ts'
import { ageWhatIsLeft } from './left-waiting.ts'
import { showLogOfFailed } from './quiet.ts'

showLogOfFailed()
ageWhatIsLeft()
await Promise.all(databases().map(migrate))
if (env.ADDED_COLUMNS === 'true') await addColumns()
