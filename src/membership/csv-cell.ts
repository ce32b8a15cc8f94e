/** For whom a file of ids is: to be uploaded again, or for people who read it. */
export type FileFor = 'upload' | 'spreadsheet'

// What a spreadsheet takes for a formula (OWASP, "CSV Injection"), and the apostrophe itself.
const formula = /^['=+\-@\t\r\n＝＋－＠]/

/**
 * An id as a cell of CSV. For a spreadsheet, an apostrophe stands before what it would run, and
 * before another apostrophe, so that the id can be told again.
 */
export const cellOf = (id: string, fileFor: FileFor): string =>
  fileFor === 'spreadsheet' && formula.test(id) ? quoted(`'${id}`) : quoted(id)

/** An id as CSV has it (RFC 4180 §2): in quotes where it has a separator. */
const quoted = (id: string) => (/[",;|\t]|^sep=/i.test(id) ? `"${id.replaceAll('"', '""')}"` : id)
