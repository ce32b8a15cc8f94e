import type { FileFormat } from '../db/schema.ts'
import { readId, trimmed } from '../text.ts'
import type { Row } from '../jobs/csv.ts'
import { isRepeatedHeader } from '../jobs/header.ts'
import type { ReadRow } from '../jobs/slice.ts'

/** Cells of a column that gives an operation for each row, as `type` does for the upload. */
const operation =
  /^(add|remov|replac|delet|insert|updat|upsert)(e|ed)?$|^(op|operation|operation ?type|action)$/i

// An id with one of these must be quoted, unless the file has a `sep=` line.
const separator = /[,;\t|]/

/** Fast path: ASCII with a digit, without space, quote or separator. */
const plainId = /^[!-+./:<-{}~-]*\d[!-+\--:<-{}~]*$/

/** The participant of a row, or what is wrong with it. */
export function readParticipant(
  { fields, quoted }: Pick<Row, 'fields' | 'quoted'>,
  format: Pick<FileFormat, 'column' | 'headed' | 'header' | 'name' | 'named'>,
  participantMax: number,
): ReadRow<string> {
  if (fields === undefined) return { problem: 'format' }
  const { column } = format
  const isOnlyField = fields.length === 1 && (column ?? 0) === 0
  const [only = ''] = fields
  if (isOnlyField && !quoted && only.length <= participantMax && plainId.test(only))
    return { item: only }
  const filled = fields.filter((field) => field.trim() !== '')
  const [id = ''] = filled
  if (!isOnlyField && (filled.length !== 1 || column === null || fields[column] !== id))
    return {
      problem: filled.some((field) => operation.test(field.trim())) ? 'operation' : 'columns',
    }
  if (!quoted && !format.named && separator.test(trimmed(id))) return { problem: 'columns' }
  const read = readId(id, participantMax)
  if ('problem' in read) return { problem: read.problem === 'too-long' ? 'too-long' : 'format' }
  const mayHaveHeader = format.headed !== null && format.header !== 'absent'
  if (mayHaveHeader && isRepeatedHeader(read.id, format.name)) return { problem: 'header' }
  return { item: read.id }
}
