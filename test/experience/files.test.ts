import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { receiveUpload } from '../../src/experience/upload.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import { membersOf } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { hazardous } from '../support/hazard.ts'
import { runs } from '../support/property.ts'
import { newWorkspace } from '../support/workspaces.ts'

/** A row and the id that it names; null for a bad row. */
interface Row {
  text: string
  id: string | null
}

const base = fc.string({
  unit: fc.constantFrom('a', 'b', 'Z', '7', '-', ' x', 'jose\u0301', 'é', '漢', '🎉'),
  minLength: 1,
  maxLength: 4,
})
const unseen = fc.constantFrom('', '', ' ', '\u200b', '\u00a0', '\ufeff', '\u00ad\u2060 ')
const separators = [',', ';', '\t', '|'] as const

function rowWith(separator: string, trailing: string): fc.Arbitrary<Row> {
  const good = fc.tuple(unseen, base, unseen).map(([before, id, after]) => ({
    text: before + id.trim() + after,
    id: id.trim().normalize('NFC'),
  }))
  const bad = fc.constantFrom(
    ...[`a${separator}b`, 'a\u0007', '..', '\u200b', 'x'.repeat(33), 'a"b', '"a'],
  )
  return fc
    .oneof(
      { weight: 8, arbitrary: good },
      { weight: 1, arbitrary: good.map(({ text, id }) => ({ text: `"${text}"`, id })) },
      { weight: 1, arbitrary: bad.map((text) => ({ text, id: null })) },
    )
    .map((row) => ({ ...row, text: row.text + trailing }))
}

const file = fc.constantFrom(...separators).chain((separator) =>
  fc.constantFrom('', '', separator, separator + separator).chain((trailing) =>
    fc.record({
      separator: fc.constant(separator),
      trailing: fc.constant(trailing),
      rows: fc.array(rowWith(separator, trailing), { minLength: 1, maxLength: 30, size: 'max' }),
      named: fc.boolean(),
      header: fc.constantFrom('none', 'known', 'present', 'absent'),
      newline: fc.constantFrom('\n', '\r\n', '\r'),
      encoding: fc.constantFrom('utf8', 'mark', 'utf16le', 'utf16be'),
      packed: fc.boolean(),
      pieceBytes: fc.constantFrom<number>(1, 7, 100_000),
      sliceBytes: fc.integer({ min: 60, max: 400 }),
    }),
  ),
)

type Made = typeof file extends fc.Arbitrary<infer Of> ? Of : never

function bytesOf({ separator, trailing, rows, named, header, newline, ...made }: Made): Buffer {
  const first = { none: [], known: ['Customer ID'], present: ['Whatever'], absent: [] }[header]
  const lines = [...first.map((name) => name + trailing), ...rows.map(({ text }) => text)]
  const text = [...(named ? [`sep=${separator}`] : []), ...lines]
    .map((line) => line + newline)
    .join('')
  const unpacked = {
    utf8: () => Buffer.from(text),
    mark: () => Buffer.from(`\ufeff${text}`),
    utf16le: () => Buffer.from(`\ufeff${text}`, 'utf16le'),
    utf16be: () => Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
  }[made.encoding]()
  return made.packed ? gzipSync(unpacked) : unpacked
}

async function* arriving(made: Made): AsyncGenerator<UploadPart> {
  const bytes = bytesOf(made)
  yield { field: 'type', value: 'REPLACE' }
  yield { file: 'people.csv', contentType: '' }
  for (let from = 0; from < bytes.length; from += made.pieceBytes)
    yield { bytes: bytes.subarray(from, from + made.pieceBytes) }
  const { header } = made
  if (header === 'present' || header === 'absent') yield { field: 'header', value: header }
}

it.each([1, 2, 3, 5, 7])('UTF-16 may arrive cut into %i bytes', async (pieceBytes) => {
  const workspace = newWorkspace()
  const { res } = hazardous()
  const draft = { description: undefined, type: 'EXPERIENCE_GROUP', platform: 'RETAIL' }
  const { id } = await createGroup(res, workspace, { name: 'g', ...draft })
  const ids = ['a🎉b', '🎉🎉', '😀']
  const file: Made = {
    ...{ separator: ',', trailing: '', rows: ids.map((id) => ({ text: id, id })), named: false },
    ...{ header: 'none', newline: '\n', encoding: 'utf16le', packed: false },
    ...{ pieceBytes, sliceBytes: 400 },
  }
  const { key } = await receiveUpload(res, workspace, id, {
    createdBy: 'tester',
    parts: arriving(file),
  })
  await runJob(res, { workspace, job: key }, sourceOf)
  expect(await membersOf(workspace, id)).toEqual(ids)
})

it('a file of any clothes has the members that its rows name', async () => {
  await fc.assert(
    fc.asyncProperty(file, async (made) => {
      const workspace = newWorkspace()
      const { res } = hazardous({ SLICE_BYTES: made.sliceBytes, BAD_ROWS_MAX_PERCENT: 100 })
      const draft = { description: undefined, type: 'EXPERIENCE_GROUP', platform: 'RETAIL' }
      const { id } = await createGroup(res, workspace, { name: 'g', ...draft })
      const { key } = await receiveUpload(res, workspace, id, {
        createdBy: 'tester',
        parts: arriving(made),
      })
      await runJob(res, { workspace, job: key }, sourceOf)

      const named = new Set(made.rows.flatMap(({ id }) => (id === null ? [] : [id])))
      const refused = made.rows.filter(({ id }) => id === null)
      // Two columns filled at the beginning make a trailing separator another column.
      const several = refused.some(({ text }) => text.startsWith(`a${made.separator}b`))
      const good = several && made.trailing !== '' ? new Set<string>() : named
      expect(await membersOf(workspace, id)).toEqual(
        [...good].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      )
      const job = await homeDb
        .prepare('SELECT rows, bad_rows AS bad FROM jobs WHERE key = ?')
        .bind(key)
        .first()
      const bad = several && made.trailing !== '' ? made.rows.length : refused.length
      expect(job).toEqual({ rows: made.rows.length, bad })
    }),
    runs(40),
  )
}, 120_000)
