type Encoding = 'latin1' | 'utf8'

/** What the Worker's readers of files use of Node's `Buffer`; the build puts it in its place. */
const smallBuffer = {
  from(of: string | Uint8Array | ArrayBuffer, encoding?: Encoding) {
    const bytes = typeof of === 'string' ? bytesOf(of, encoding) : new Uint8Array(of)
    return Object.assign(bytes, { toString: (as?: Encoding) => textOf(bytes, as) })
  },
}

export { smallBuffer as Buffer }

declare global {
  const Buffer: typeof smallBuffer
}

const bytesOf = (text: string, encoding: Encoding | undefined) =>
  encoding === 'latin1'
    ? Uint8Array.from(text, (character) => character.charCodeAt(0))
    : new TextEncoder().encode(text)

function textOf(bytes: Uint8Array, as: Encoding | undefined): string {
  if (as !== 'latin1') return new TextDecoder().decode(bytes)
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
