import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { readParticipants } from '../../src/experience/slice.ts'
import { readUsers } from '../../src/identity/users-slice.ts'
import { legacyFormat } from '../../src/jobs/format.ts'
import type { Interruptible } from '../../src/jobs/interruptible.ts'
import type { Slice } from '../../src/jobs/slice.ts'

const mebibyte = 2 ** 20

/** What a Worker's 128 MiB leave for one of several invocations at once. */
const most = 48

const sliceBytes = 8 * mebibyte

/** A slice of a file: its head, and then rows. */
function sliceOf(head: string, row: (i: number) => string): ArrayBuffer {
  const rows = [head]
  let bytes = head.length
  for (let i = 0; bytes < sliceBytes; i++) {
    const next = row(i)
    rows.push(next)
    bytes += Buffer.byteLength(next)
  }
  const file = Buffer.from(rows.join(''))
  const slice = new ArrayBuffer(sliceBytes)
  new Uint8Array(slice).set(file.subarray(0, sliceBytes))
  return slice
}

/** MiB that reading a slice holds at most, the slice included. */
function heapOf(slice: ArrayBuffer, read: () => Interruptible<Slice<unknown>>): number {
  if (gc === undefined) throw new Error('run with --expose-gc')
  const held = () => {
    gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = held()
  let peak = 0
  for (const [reading, pieces] = [read(), { done: 0 }]; ;) {
    const { done, value } = reading.next()
    if (pieces.done++ % 4 === 0 || done === true) peak = Math.max(peak, held())
    if (done === true) {
      assert.ok(value.items.length > 1000)
      return (peak - before + slice.byteLength) / mebibyte
    }
  }
}

const optionsOf = (rowsMax: number) => ({
  ...{ place: 'start' as const, line: 0, last: false, rowsMax, problemsMax: 10_000 },
  format: legacyFormat,
})

const columns = (count: number) => Array.from({ length: count }, (_, i) => `column${i}`)
const cells = (count: number, cell: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => cell(i))
const threeLetters = (i: number) => (1296 + (i % 45_000)).toString(36)

const usersFiles: Record<string, ArrayBuffer> = {
  'a hundred cells of three letters': sliceOf(
    `userid,${columns(100).join()}\n`,
    (i) => `u${i},${cells(100, (j) => threeLetters(100 * i + j)).join()}\n`,
  ),
  'a hundred cells of one letter beyond ASCII': sliceOf(
    `userid,${columns(100).join()}\n`,
    (i) => `u${i},${cells(100, (j) => 'ЖДЁ'.charAt(j % 3)).join()}\n`,
  ),
  'a hundred empty cells': sliceOf(
    `userid,${columns(100).join()}\n`,
    (i) => `u${i}${','.repeat(100)}\n`,
  ),
  'one cell': sliceOf('userid,a\n', (i) => `${i.toString(36)},x\n`),
  'two quoted cells': sliceOf('userid,a,b\n', (i) => `"${i}","x","y"\n`),
  'an address': sliceOf('userid,a,b\n', (i) => `user-${i},"${i} Main St, Springfield",gold\n`),
}

for (const [what, slice] of Object.entries(usersFiles))
  test(`a slice of users with ${what} takes less than ${most} MiB`, (t) => {
    const heap = heapOf(slice, () =>
      readUsers(slice, optionsOf(200_000), { names: undefined, shared: new Set() }),
    )
    t.diagnostic(`${heap.toFixed(1)} MiB`)
    assert.ok(heap < most)
  })

const participantsFiles: Record<string, ArrayBuffer> = {
  'of 32 letters': sliceOf('id\n', (i) => `${String((i * 7919) % 1e9).padStart(32, 'a')}\n`),
  'of three letters': sliceOf('id\n', (i) => `${threeLetters(i * 7919)}\n`),
  'beyond ASCII': sliceOf('id\n', (i) => `${'Ж'.repeat(10)}${(i * 7919) % 1e9}\n`),
  'that share all but the end': sliceOf('id\n', (i) => `${'customer-'.repeat(3)}${i}\n`),
}

for (const [what, slice] of Object.entries(participantsFiles))
  test(`a slice of ids ${what} takes less than ${most} MiB`, (t) => {
    const heap = heapOf(slice, () => readParticipants(slice, optionsOf(262_144), 64))
    t.diagnostic(`${heap.toFixed(1)} MiB`)
    assert.ok(heap < most)
  })

const rows: Record<string, [begin: string, repeats: string]> = {
  'millions of cells': ['userid,a\nann', ','],
  'millions of quoted cells': ['userid,a\nannie', ',""'],
  'millions of escaped quotes': ['userid,a\nann,', '"",'],
  'a cell beyond ASCII': ['userid,a\nann,', 'Ж'],
  'an id beyond ASCII': ['userid,a\n\n', 'Ж'],
  'blanks alone': ['userid,a\nann,', ' '],
  'a header of millions': ['userid', ',a'],
}

for (const [what, [begin, repeats]] of Object.entries(rows))
  test(`a row as long as a slice, of ${what}, fits into ${most} MiB`, async () => {
    const reading = new Worker(new URL('one-row.ts', import.meta.url), {
      workerData: { begin, repeats },
      resourceLimits: { maxOldGenerationSizeMb: most },
    })
    const [code] = (await once(reading, 'exit')) as [number] // as a worker says it
    assert.equal(code, 0)
  })
