import { createHash } from 'node:crypto'
import type { Draft } from './safety-deeds.ts'
import { lines } from './api.ts'
import { partBytes } from './tus.ts'

const nameOf = (n: number) => `${['p', 'é', '漢', '🎉'][n % 4] ?? ''}-${String(n).padStart(3, '0')}`

/** Whom the rows of a file name. */
export const idsOf = ({ from, count, others }: Draft): string[] => [
  ...Array.from({ length: count }, (_, i) => nameOf((from + i) % 150)),
  ...others.map(nameOf),
]

/** The file itself; a large one has more bytes than a part of an upload. */
export function bytesOf(draft: Draft, isLarge: boolean): Buffer<ArrayBuffer> {
  const rows = [...idsOf(draft), ...Array<string>(draft.badRows).fill('one,two')]
  const width = isLarge && rows.length >= 100 ? Math.ceil((partBytes + 1000) / rows.length) : 0
  return Buffer.from(`ParticipantId\n${lines(rows.map((row) => row.padEnd(width)))}`)
}

export const sha256Of = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')
