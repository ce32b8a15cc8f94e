/** Faults that change nothing that anybody could see, and why: samples leave them out. */
export const noDifference: readonly {
  file: string
  /** As it stands there, without its indentation. */
  line: string
  operator: string
  /** Where the line has several such places: which. */
  found?: string
  why: string
}[] = [
  {
    file: 'src/access/tokens.ts',
    line: 'callers.delete(token)',
    operator: 'call removed',
    why: 'The token is kept anew below, or refused again.',
  },
  {
    file: 'src/access/tokens.ts',
    line: 'currentDate: new Date(now),',
    operator: 'property removed',
    why: 'At the front door, `now` is the time of the clock.',
  },
  {
    file: 'src/identity/crowded.ts',
    line: 'const eligibleMost = ({ seatsMax }: Seating) => 2 * seatsMax + 1',
    operator: 'number less',
    found: '2',
    why: 'Once the seats is enough: of the first of them by id, no more sit than keep their seats.',
  },
  {
    file: 'src/identity/users-file.ts',
    line: 'await checkAcceptsFile(res.databaseOf(workspace), workspace, res.limits)',
    operator: 'call removed',
    why: 'It spares the upload: where there is no room, the job is refused too.',
  },
  {
    file: 'src/identity/users-slice.ts',
    line: "if (cells.some((cell) => cell.includes('\\0'))) return { problem: 'format' }",
    operator: 'early end removed',
    why: 'A file with U+0000 is refused as a whole before its rows are read.',
  },
  {
    file: 'src/webhooks/send.ts',
    line: 'await reader.cancel()',
    operator: 'await → void',
    why: 'Nobody waits for the rest of an answer.',
  },
  {
    file: 'src/webhooks/address.ts',
    line: 'const [first = 0, second = 0] = groupsOf(host)',
    operator: 'number less',
    why: 'An address has a first group always.',
  },
]
