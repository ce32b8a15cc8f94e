import { workerData } from 'node:worker_threads'
import { readParticipants } from '../../src/experience/slice.ts'
import { readUsers } from '../../src/identity/users-slice.ts'
import { legacyFormat } from '../../src/jobs/format.ts'
import { runAtOnce } from '../../src/jobs/interruptible.ts'

// A worker thread that reads a slice of one row, of which a part repeats.

const { begin, repeats } = workerData as { begin: string; repeats: string } // as the test gives it
const bytes = new Uint8Array(Buffer.alloc(8 * 2 ** 20, repeats))
bytes.set(Buffer.from(begin))
bytes.set(Buffer.from('\nann,x\n'), bytes.length - 7)

const options = {
  ...{ place: 'start' as const, line: 0, last: true, rowsMax: 200_000, problemsMax: 10_000 },
  format: legacyFormat,
}
runAtOnce(readUsers(bytes.buffer, options, { names: undefined, shared: new Set() }))
runAtOnce(readParticipants(bytes.buffer, options, 32))
