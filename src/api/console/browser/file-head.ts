import { isGzip, utf16Of } from '../../../jobs/signature.ts'

/** Bytes that show what a file is: as many as the Worker looks at. */
const headBytes = 64 * 1024

/** The beginning of a file as UTF-8, and whether that is all of it. */
export interface Head {
  bytes: Uint8Array
  ended: boolean
}

/** Throws where a packed file is broken. */
export async function headOf(file: Blob): Promise<Head> {
  const head = await beginningOf(file.stream())
  return asUtf8(
    isGzip(head.bytes)
      ? await beginningOf(file.stream().pipeThrough(new DecompressionStream('gzip')))
      : head,
  )
}

async function beginningOf(stream: ReadableStream<Uint8Array>): Promise<Head> {
  const reader = stream.getReader()
  const bytes = new Uint8Array(headBytes)
  for (let length = 0; ;) {
    const { done, value } = await reader.read()
    if (done) return { bytes: bytes.subarray(0, length), ended: true }
    const more = value.subarray(0, headBytes - length)
    bytes.set(more, length)
    length += more.length
    if (more.length < value.length) {
      void reader.cancel()
      return { bytes, ended: false }
    }
  }
}

function asUtf8({ bytes, ended }: Head): Head {
  const order = utf16Of(bytes)
  if (order === undefined) return { bytes, ended }
  const text = new TextDecoder(order === 'little-endian' ? 'utf-16le' : 'utf-16be').decode(bytes)
  return { bytes: new TextEncoder().encode(text), ended }
}
