import type { FileFormat } from '../db/schema.ts'
import { readId } from '../text.ts'
import { namesIds } from '../work/header.ts'
import type { ReadRow } from '../work/slice.ts'

/** What says in a column of its own what becomes of a participant, which the upload says of all. */
const operation = /^(add|remove|replace|delete|insert|update|operation|operation ?type|action)$/i

/**
 * The participant that a row names, or what is wrong with the row; undefined where it has nothing.
 * `fields` is undefined where the row could not be read.
 */
export function readParticipant(
  fields: string[] | undefined,
  { column, headed }: Pick<FileFormat, 'column' | 'headed'>,
  participantMax: number,
): ReadRow<string> {
  if (fields === undefined) return { problem: 'format' }
  const [first = ''] = fields
  if (fields.length === 1 && (column ?? 0) === 0) return readOne(first, headed, participantMax)
  const filled = fields.filter((field) => field.trim() !== '')
  if (filled.length === 0) return undefined
  const [only = ''] = filled
  if (filled.length === 1 && column !== null && fields[column] === only)
    return readOne(only, headed, participantMax)
  return { problem: filled.some((field) => operation.test(field.trim())) ? 'operation' : 'columns' }
}

function readOne(field: string, headed: boolean | null, max: number): ReadRow<string> {
  const read = readId(field, max)
  if ('problem' in read) return { problem: read.problem === 'too-long' ? 'too-long' : 'format' }
  // Two files that were put together have their header twice.
  return headed === true && namesIds(read.id) ? { problem: 'header' } : { item: read.id }
}
