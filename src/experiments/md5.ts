const sines = Int32Array.from({ length: 64 }, (_, i) =>
  Math.floor(2 ** 32 * Math.abs(Math.sin(i + 1))),
)
const turns = Uint8Array.of(7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21)
const wordAt = Uint8Array.from({ length: 64 }, (_, i) => {
  if (i < 16) return i
  if (i < 32) return 5 * i + 1
  return i < 48 ? 3 * i + 5 : 7 * i
}).map((place) => place & 15)

const encoder = new TextEncoder()
/** Characters of the texts that share a buffer: ids and salts are shorter. */
const shortMost = 1024
const shared = new Int32Array(bytesFor(shortMost) / 4)
const sharedBytes = new Uint8Array(shared.buffer)

/**
 * The first four bytes of the MD5 (RFC 1321) of a text in UTF-8, as an unsigned big-endian integer.
 * Our own, as an export takes millions of them: the maintained libraries take several times as long.
 */
export function md5Head(text: string): number {
  const isShort = text.length <= shortMost
  const words = isShort ? shared : new Int32Array(bytesFor(text.length) / 4)
  const end = fill(words, isShort ? sharedBytes : new Uint8Array(words.buffer), text)
  let a0 = 0x67452301
  let b0 = 0xefcdab89 | 0
  let c0 = 0x98badcfe | 0
  let d0 = 0x10325476
  for (let block = 0; block < end; block += 16) {
    let a = a0
    let b = b0
    let c = c0
    let d = d0
    for (let i = 0; i < 64; i++) {
      const word = words[block + (wordAt[i] ?? 0)] ?? 0
      const sum = (a + mixed(i, b, c, d) + (sines[i] ?? 0) + word) | 0
      const turn = turns[((i >> 4) << 2) | (i & 3)] ?? 0
      a = d
      d = c
      c = b
      b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0
    }
    a0 = (a0 + a) | 0
    b0 = (b0 + b) | 0
    c0 = (c0 + c) | 0
    d0 = (d0 + d) | 0
  }
  return bigEndian(a0)
}

function mixed(i: number, b: number, c: number, d: number): number {
  if (i < 16) return (b & c) | (~b & d)
  if (i < 32) return (d & b) | (~d & c)
  return i < 48 ? b ^ c ^ d : c ^ (b | ~d)
}

const bigEndian = (word: number): number =>
  (((word & 255) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0

/** Bytes of the blocks of a text of so many characters, at most. */
function bytesFor(characters: number): number {
  return (3 * characters + 8 + 64) & ~63
}

/**
 * Writes a text as MD5 takes it: in UTF-8, a one, zeros, and its length in bits, in blocks of 16
 * words. Gives how many words that takes.
 */
function fill(words: Int32Array, bytes: Uint8Array, text: string): number {
  const length = encode(text, bytes)
  const end = ((length + 8 + 64) >> 6) << 4
  bytes[length] = 0x80
  for (let i = length + 1; i < end * 4; i++) bytes[i] = 0
  words[end - 2] = length << 3
  words[end - 1] = length >>> 29
  return end
}

/** Writes a text in UTF-8, and gives its length in bytes. */
function encode(text: string, bytes: Uint8Array): number {
  // Most are ASCII, which the encoder takes longer for.
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return encoder.encodeInto(text, bytes).written
    bytes[i] = code
  }
  return text.length
}
