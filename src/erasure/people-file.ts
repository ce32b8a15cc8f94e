import { readParticipants } from '../experience/slice.ts'
import { Failure } from '../failure.ts'
import { userMax } from '../identity/attributes.ts'
import { formatOf } from '../jobs/format.ts'
import { findIdColumn } from '../jobs/header.ts'
import { runAtOnce } from '../jobs/interruptible.ts'

/** People of one erasure, who are forgotten in one batch. */
const peopleMost = 1000

/**
 * The ids of a small file, each once, read as a file of participants is. Throws `file-empty`, and
 * `invalid` for the first bad row.
 */
export function readPeople(file: string): string[] {
  if (file === '') throw new Failure({ reason: 'file-empty' })
  const bytes = Buffer.from(file)
  const ended = { ended: true, header: 'auto' } as const
  const nulAt = bytes.indexOf(0)
  const format = {
    ...formatOf(bytes.toString('latin1'), ended, findIdColumn),
    nulAt: nulAt === -1 ? null : nulAt,
  }
  const start = { place: 'start', line: 0, last: true, rowsMax: bytes.length } as const
  const options = { ...start, format, problemsMax: 1 }
  const { items, problems } = runAtOnce(
    readParticipants(new Uint8Array(bytes).buffer, options, userMax),
  )
  const [bad] = problems
  if (bad !== undefined)
    throw new Failure({
      reason: 'invalid',
      field: `line ${bad[0]}`,
      problem: `must have one id of at most ${userMax} characters, and nothing else`,
    })
  if (items.length === 0)
    throw new Failure({ reason: 'invalid', field: 'file', problem: 'must have at least one id' })
  if (items.length > peopleMost)
    throw new Failure({
      reason: 'invalid',
      field: 'file',
      problem: `cannot have more than ${peopleMost} ids`,
    })
  return items
}
