import type { FileFormat } from '../db/schema.ts'
import { readId, trimmed } from '../text.ts'
import type { Row } from '../jobs/csv.ts'
import { isRepeatedHeader } from '../jobs/header.ts'
import type { ReadRow } from '../jobs/slice.ts'

/** Words of a column that says for each row what `type` says for the whole upload. */
const operation =
  /^(add|remov|replac|delet|insert|updat|upsert)(e|ed)?$|^(op|operation|operation ?type|action)$/i

// An id with one of these must be quoted, or stand below a `sep=` line.
const separator = /[,;\t|]/

/** The participant that a row names, or what is wrong with it; undefined where it has nothing. */
export function readParticipant(
  { fields, quoted }: Pick<Row, 'fields' | 'quoted'>,
  format: Pick<FileFormat, 'column' | 'headed' | 'header' | 'name' | 'named'>,
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
  const guesses = format.headed !== null && format.header !== 'absent'
  if (guesses && isRepeatedHeader(read.id, format.name)) return { problem: 'header' }
  return { item: read.id }
}
