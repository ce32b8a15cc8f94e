/** Some lines of a file, and where those after them begin; undefined behind the last. */
export interface Piece {
  lines: string[]
  next: string | undefined
}

/** A file of a header and pieces, each of which is read only when it is needed. */
export function csvFile(
  header: string,
  first: Piece,
  read: (after: string) => Promise<Piece>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let begun: Piece | undefined = first
  let after: string | undefined = ''
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let text = begun === undefined ? '' : `${header}\n`
        do {
          const { lines, next }: Piece = begun ?? (await read(after ?? ''))
          begun = undefined
          text += lines.map((line) => `${line}\n`).join('')
          after = next
        } while (text === '' && after !== undefined)
        if (text !== '') controller.enqueue(encoder.encode(text))
        if (after === undefined) controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
