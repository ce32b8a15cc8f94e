import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Sha256 } from '../../src/jobs/sha256.ts'
import { runs } from '../support/property.ts'

const expected = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

it('is that of node:crypto for each length around a block', () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 167 + length) % 256)
    const hash = new Sha256()
    hash.update(bytes)
    expect([length, hash.digest()]).toEqual([length, expected(bytes)])
  }
})

it('is the same however the bytes come, and wherever it stops between', () => {
  const bytes = fc.uint8Array({ maxLength: 3000, size: 'max' })
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(700)), fc.nat(46), (bytes, pieces, blocks) => {
      const stop = Math.min(64 * blocks, bytes.length - (bytes.length % 64))
      let hash = new Sha256()
      const update = (from: number, to: number) => {
        for (const piece of [...pieces, to]) {
          const end = Math.min(from + piece, to)
          hash.update(bytes.subarray(from, end))
          from = end
        }
      }
      update(0, stop)
      hash = new Sha256(hash.state, stop)
      update(stop, bytes.length)
      expect(hash.digest()).toBe(expected(bytes))
    }),
    runs(200),
  )
})

it('goes on beyond 512 MiB, whose length in bits has 33 of them', () => {
  const after512 = 'be20e9d48829bab99d2c0c5df3a1890ea376a32a665cb106fb6889ee3801fd9f'
  const [hash, whole] = [new Sha256(after512, 2 ** 29), createHash('sha256')]
  const part = Buffer.alloc(2 ** 20, 'x')
  for (let i = 0; i < 512; i++) whole.update(part)
  whole.update('ann')
  hash.update(Buffer.from('ann'))
  expect(hash.digest()).toBe(whole.digest('hex'))
})

it('gives no state amid a block', () => {
  const hash = new Sha256()
  hash.update(new Uint8Array(63))
  expect(() => hash.state).toThrow('the last block is not whole')
})
