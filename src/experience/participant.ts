import type { FileFormat } from '../db/schema.ts'
import { readId, trimmed } from '../text.ts'
import type { Row } from '../work/csv.ts'
import { namesIds, namesNobody } from '../work/header.ts'
import type { ReadRow } from '../work/slice.ts'

/** What says in a column of its own what becomes of a participant, which the upload says of all. */
const operation =
  /^(add|remov|replac|delet|insert|updat|upsert)(e|ed)?$|^(op|operation|operation ?type|action)$/i

// An id that holds one stands in quotes, or below a line that names another separator.
const separator = /[,;\t|]/

/** The participant that a row names, or what is wrong with it; undefined where it has nothing. */
export function readParticipant(
  { fields, quoted }: Pick<Row, 'fields' | 'quoted'>,
  format: Pick<FileFormat, 'column' | 'headed' | 'header' | 'named'>,
  participantMax: number,
): ReadRow<string> {
  if (fields === undefined) return { problem: 'format' }
  const { column } = format
  const filled = fields.filter((field) => field.trim() !== '')
  const [only = ''] = filled
  const isOnly = fields.length === 1 && (column ?? 0) === 0
  if (!isOnly && (filled.length !== 1 || column === null || fields[column] !== only))
    return {
      problem: filled.some((field) => operation.test(field.trim())) ? 'operation' : 'columns',
    }
  if (!quoted && !format.named && separator.test(trimmed(only))) return { problem: 'columns' }
  const read = readId(only, participantMax)
  if ('problem' in read) return { problem: read.problem === 'too-long' ? 'too-long' : 'format' }
  return isHeaderAgain(read.id, format) ? { problem: 'header' } : { item: read.id }
}

/** Two files that were put together have the second's header in the middle. */
function isHeaderAgain(
  id: string,
  { headed, header }: Pick<FileFormat, 'headed' | 'header'>,
): boolean {
  if (headed === null || header === 'absent') return false
  return /^sep=.?$/i.test(id) || (headed ? namesIds(id) : namesNobody(id))
}
