const primes = Array.from({ length: 312 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n - 2 }, (_, i) => i + 2).some((by) => n % by === 0),
)
/** The first 32 bits of a number's fraction. */
const fraction = (root: number) => Math.floor((root % 1) * 2 ** 32)
const constants = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)))
const begin = Int32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)))

const blockBytes = 64
const words = new Int32Array(64)

/**
 * SHA-256 (FIPS 180-4) that stops after any whole block and goes on from there. Our own, as the
 * platform's hashes give no state away.
 */
export class Sha256 {
  readonly #state: Int32Array
  readonly #rest = new Uint8Array(blockBytes)
  #length: number

  /** Begins, or goes on from the `state` after so many bytes, which are whole blocks. */
  constructor(state: string | null = null, length = 0) {
    this.#state = state === null ? begin.slice() : wordsOf(state)
    this.#length = length
  }

  /** Where it stands after whole blocks: eight words in hexadecimal digits. */
  get state(): string {
    if (this.#length % blockBytes !== 0) throw new Error('the last block is not whole')
    return hexOf(this.#state)
  }

  update(bytes: Uint8Array): void {
    let at = 0
    const filled = this.#length % blockBytes
    this.#length += bytes.length
    if (filled > 0) {
      const piece = bytes.subarray(0, blockBytes - filled)
      this.#rest.set(piece, filled)
      at = piece.length
      if (filled + at < blockBytes) return
      compress(this.#state, this.#rest, 0)
    }
    for (; at + blockBytes <= bytes.length; at += blockBytes) compress(this.#state, bytes, at)
    this.#rest.set(bytes.subarray(at))
  }

  /** Of all bytes, in hexadecimal digits; nothing may follow. */
  digest(): string {
    const length = this.#length
    const end = (blockBytes + 56 - (length % blockBytes)) % blockBytes || blockBytes
    const last = new Uint8Array(end + 8)
    last[0] = 0x80
    const bits = new DataView(last.buffer)
    bits.setUint32(end, Math.floor(length / 2 ** 29))
    bits.setUint32(end + 4, (length << 3) >>> 0)
    this.update(last)
    return hexOf(this.#state)
  }
}

const wordsOf = (hex: string) =>
  Int32Array.from({ length: 8 }, (_, i) => parseInt(hex.slice(8 * i, 8 * i + 8), 16))

const hexOf = (state: Int32Array) =>
  Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')

const turned = (word: number, by: number) => (word >>> by) | (word << (32 - by))

/** Takes the block of `bytes` at `from` into the state. */
function compress(state: Int32Array, bytes: Uint8Array, from: number): void {
  for (let i = 0, at = from; i < 16; i++, at += 4)
    words[i] =
      ((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)
  for (let i = 16; i < 64; i++) words[i] = expanded(i)
  let a = state[0] ?? 0
  let b = state[1] ?? 0
  let c = state[2] ?? 0
  let d = state[3] ?? 0
  let e = state[4] ?? 0
  let f = state[5] ?? 0
  let g = state[6] ?? 0
  let h = state[7] ?? 0
  for (let i = 0; i < 64; i++) {
    const sumE = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)
    const one = (h + sumE + ((e & f) ^ (~e & g)) + (constants[i] ?? 0) + (words[i] ?? 0)) | 0
    const sumA = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)
    const two = (sumA + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + one) | 0
    d = c
    c = b
    b = a
    a = (one + two) | 0
  }
  state[0] = (state[0] ?? 0) + a
  state[1] = (state[1] ?? 0) + b
  state[2] = (state[2] ?? 0) + c
  state[3] = (state[3] ?? 0) + d
  state[4] = (state[4] ?? 0) + e
  state[5] = (state[5] ?? 0) + f
  state[6] = (state[6] ?? 0) + g
  state[7] = (state[7] ?? 0) + h
}

/** A word of the schedule, by the words before it. */
function expanded(i: number): number {
  const far = words[i - 15] ?? 0
  const near = words[i - 2] ?? 0
  const mixedFar = turned(far, 7) ^ turned(far, 18) ^ (far >>> 3)
  const mixedNear = turned(near, 17) ^ turned(near, 19) ^ (near >>> 10)
  return ((words[i - 16] ?? 0) + mixedFar + (words[i - 7] ?? 0) + mixedNear) | 0
}
