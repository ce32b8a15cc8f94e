import type { Problem } from '../work/jobs.ts'

/** Characters of a participant id at most (Experience Groups, "File Upload Requirements"). */
export const participantMax = 32

const headers = new Set(['participantid', 'participant_id', 'participant id', 'id', 'userid'])

/** Whether a file's first row names its column instead of a participant. */
export function isHeader(fields: string[]): boolean {
  return fields.length === 1 && headers.has(fields[0]?.trim().toLowerCase() ?? '')
}

// C0, DEL and C1.
const control = /[\u0000-\u001f\u007f-\u009f]/

/** The participant that a row names, or what is wrong with the row; `undefined` is a row that could not be read. */
export function readParticipant(
  fields: string[] | undefined,
): { item: string } | { problem: Problem } {
  if (fields === undefined) return { problem: 'format' }
  if (fields.length > 1) return { problem: 'columns' }
  const id = fields[0]?.trim() ?? ''
  if (id === '' || control.test(id)) return { problem: 'format' }
  // Characters, not UTF-16 units: an emoji is one.
  if (id.length > participantMax && [...id].length > participantMax) return { problem: 'too-long' }
  return { item: id }
}
