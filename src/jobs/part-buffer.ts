const least = 32 * 1024

/** Bytes of a part until it is full, in memory that grows with them: fourfold, as each time copies. */
export class PartBuffer {
  readonly #max: number
  #memory = new Uint8Array()
  #filled = 0

  constructor(max: number) {
    this.#max = max
  }

  get isFull(): boolean {
    return this.#filled === this.#max
  }

  /** How much memory is taken, in bytes. */
  get capacity(): number {
    return this.#memory.length
  }

  /** As they stand in memory, until the next change. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#filled)
  }

  /** Takes as many bytes as fit, and gives how many. */
  add(bytes: Uint8Array): number {
    const piece = bytes.subarray(0, this.#max - this.#filled)
    this.#reserve(this.#filled + piece.length)
    this.#memory.set(piece, this.#filled)
    this.#filled += piece.length
    return piece.length
  }

  /** Begins the next part in the same memory. */
  clear(): void {
    this.#filled = 0
  }

  #reserve(needed: number): void {
    let capacity = Math.max(least, this.capacity)
    while (capacity < needed) capacity *= 4
    if (needed <= this.capacity) return
    const memory = new Uint8Array(Math.min(capacity, this.#max))
    memory.set(this.bytes)
    this.#memory = memory
  }
}
