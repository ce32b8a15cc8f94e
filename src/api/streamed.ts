/** Characters of a piece that is sent, at least. */
const pieceLeast = 64 * 1024

/** A text that is made while it is sent: a long one would take all memory of the isolate. */
export function streamed(parts: Iterator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        let text = ''
        let next = parts.next()
        while (next.done !== true) {
          text += next.value
          if (text.length >= pieceLeast) return controller.enqueue(encoder.encode(text))
          next = parts.next()
        }
        if (text !== '') controller.enqueue(encoder.encode(text))
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
}
