import { sendInPieces, type Sending } from './tus.ts'

/** Sends the file that its argument describes, and says how far it is and which job it has opened. */
const job = await sendInPieces(JSON.parse(process.argv[2] ?? '') as Sending, (bytes) =>
  console.log(`stored ${bytes}`),
)
console.log(`job ${job}`)
