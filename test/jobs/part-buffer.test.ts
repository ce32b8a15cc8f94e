import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PartBuffer } from '../../src/jobs/part-buffer.ts'

const MiB = 1024 * 1024

it('a file of twenty bytes takes 32 KiB', () => {
  const part = new PartBuffer(8 * MiB)
  expect(part.capacity).toBe(0)
  expect(part.add(new Uint8Array(20))).toBe(20)
  expect(part.capacity).toBe(32 * 1024)
})

it('takes at most four times what it holds, and a part', () => {
  const part = new PartBuffer(8 * MiB)
  for (let filled = 0; !part.isFull; filled += 65_536) {
    expect(part.bytes).toHaveLength(filled)
    expect(part.capacity).toBeLessThanOrEqual(Math.min(4 * filled, 8 * MiB))
    part.add(new Uint8Array(65_536))
  }
  expect(part.capacity).toBe(8 * MiB)
})

it('holds what was added, part by part, however it comes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 90_000, size: 'max' })), (pieces) => {
      const part = new PartBuffer(50_000)
      const parts: Buffer[] = []
      for (const piece of pieces)
        for (let from = 0; from < piece.length;) {
          if (part.isFull) {
            parts.push(Buffer.from(part.bytes))
            part.clear()
          }
          from += part.add(piece.subarray(from))
        }
      for (const one of parts) expect(one).toHaveLength(50_000)
      expect(Buffer.concat([...parts, part.bytes]).equals(Buffer.concat(pieces))).toBe(true)
    }),
    { numRuns: 30 },
  )
})
