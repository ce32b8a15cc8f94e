import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import { createGroup } from '../../src/experience/groups.ts'
import { toGroup } from '../../src/experience/upload.ts'
import { Failure } from '../../src/failure.ts'
import { deleteUpload } from '../../src/jobs/delete-upload.ts'
import { storePiece } from '../../src/jobs/pieces.ts'
import { createUpload, getUpload } from '../../src/jobs/resumable.ts'
import { sweepFiles } from '../../src/jobs/sweep-files.ts'
import { sweepUploads } from '../../src/jobs/sweep-uploads.ts'
import { membersOf } from '../support/api.ts'
import { homeDb } from '../support/databases.ts'
import { faults } from '../support/deliveries.ts'
import { hazardous, unlessCrash, type Fault } from '../support/hazard.ts'
import { everyCall, runs } from '../support/property.ts'
import { partBytes } from '../support/tus.ts'
import { objects } from '../support/uploads.ts'
import { newWorkspace } from '../support/workspaces.ts'

const hour = 3_600_000
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** Few lines of so many bytes, different everywhere. */
function fileOf(bytes: number): Buffer<ArrayBuffer> {
  const file = Buffer.alloc(bytes, ' ')
  for (let at = 0, i = 0; at < bytes; i++, at += 16_384) file.write(`person-${i}\n`, at)
  return file
}

const randomLines = (count: number) =>
  Array.from({ length: count }, () => `${crypto.randomUUID().slice(0, 30)}\n`).join('')

/** A bucket whose objects break off after so many bytes. */
const breaking = (files: R2Bucket, after: number): R2Bucket =>
  new Proxy(files, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      if (key !== 'get') return value.bind(target)
      return async (fileKey: string) => {
        const object = await files.get(fileKey)
        async function* pieces() {
          let read = 0
          for await (const bytes of object?.body ?? []) {
            yield bytes
            if ((read += bytes.length) > after) throw new Error('the bucket broke off')
          }
        }
        return { body: pieces() }
      }
    },
  })

/** A group, an upload of a file to it, and hands that fail when they are told to. */
async function stage(file: Uint8Array, now: { ahead: number } = { ahead: 0 }) {
  const workspace = newWorkspace()
  const hazard = hazardous({ FILES: strictly(env.FILES) }, { now: () => Date.now() + now.ahead })
  const { res } = hazard
  const draft = { name: 'g', type: 'EXPERIENCE_GROUP', platform: 'RETAIL_BANKING' }
  const group = await createGroup(res, workspace, draft)
  const destination = toGroup(res, workspace, group.id, { createdBy: 'tester' })
  const fields = { filename: 'people.csv', type: 'ADD' }
  const { id } = await createUpload(res, destination, { length: file.length, fields })
  const place = { workspace, group: group.id, id }
  const send = (offset: number, to: number, { sized = true, breaksAt = Infinity } = {}) =>
    storePiece(res, destination, {
      ...{ id, offset, size: sized ? to - offset : undefined },
      bytes: body(file.subarray(offset, to), breaksAt),
    })
  const jobs = async () =>
    (
      await homeDb
        .prepare(
          'SELECT key, id, file_key AS file, file_sha256 AS hash FROM jobs WHERE workspace_id = ?',
        )
        .bind(workspace)
        .all<{ key: number; id: string; file: string; hash: string }>()
    ).results
  return { ...hazard, workspace, group, destination, place, send, jobs, now }
}

/** A bucket that knows a multipart upload no more once it is complete, as in production. */
function strictly(files: R2Bucket): R2Bucket {
  const unknown = 'The specified multipart upload does not exist. (10024)'
  return new Proxy(files, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key)
      if (typeof value !== 'function') return value
      if (key !== 'resumeMultipartUpload') return value.bind(target)
      return (fileKey: string, id: string) => {
        const upload = files.resumeMultipartUpload(fileKey, id)
        return {
          uploadPart: (...of: Parameters<typeof upload.uploadPart>) => upload.uploadPart(...of),
          abort: () => upload.abort(),
          complete: async (parts: R2UploadedPart[]) => {
            if ((await files.head(fileKey)) !== null) throw new Error(unknown)
            return upload.complete(parts)
          },
        }
      }
    },
  })
}

const pieceBytes = 256 * 1024

/** The body of a request, whose connection may break. */
async function* body(bytes: Uint8Array, breaksAt: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    if (at >= breaksAt) throw new Failure({ reason: 'cut-short' })
    yield bytes.subarray(at, Math.min(at + pieceBytes, bytes.length))
  }
}

/** What a client is told of a request that may be refused, or die. */
async function told<Answer>(sending: Promise<Answer>): Promise<Answer | Failure | undefined> {
  try {
    return await sending
  } catch (error) {
    if (error instanceof Failure) return error
    unlessCrash(error)
    return undefined
  }
}

const missing = { facts: { reason: 'not-found', what: 'upload' } }

const refusalOf = (answer: unknown) =>
  answer instanceof Failure && answer.facts.reason === 'resumable'
    ? answer.facts.refusal.is
    : undefined

/** As a client that was told nothing: from where the upload says, until there is a job. */
async function finish(
  { place, res, send, now }: Awaited<ReturnType<typeof stage>>,
  file: Uint8Array,
) {
  for (let tries = 0; tries < 20; tries++) {
    const upload = await getUpload(res, place)
    if (upload.job !== null) return upload.job
    const answer = await told(send(upload.offset, file.length))
    if (refusalOf(answer) === 'locked') now.ahead += 15_001
  }
  throw new Error('the upload does not end')
}

beforeEach(async () => {
  await homeDb.prepare('DELETE FROM resumable_uploads').run()
  const left = await objects()
  if (left.length > 0) await env.FILES.delete(left)
})

interface Sent {
  /** The end of the piece, in quarters of a part beyond its offset, and the offset's distance from the right one. */
  quarters: number
  off: number
  sized: boolean
  /** Where its connection breaks, in quarters. */
  breaks: number | null
  fault: Fault | null
  /** Another request comes at once, or when its lease is over. */
  beside: 'at once' | 'late' | null
}

const sent: fc.Arbitrary<Sent> = fc.record({
  quarters: fc.integer({ min: 1, max: 12 }),
  off: fc.constantFrom(0, 0, 0, 0, 0, 1),
  sized: fc.boolean(),
  breaks: fc.option(fc.nat(10), { freq: 3 }),
  fault: fc.option(faults(fc.nat(9)), { freq: 2 }),
  beside: fc.constantFrom(null, null, 'at once', 'late'),
})

describe('a file that comes in pieces', () => {
  it('is the one that was sent, with one job, whatever breaks', { timeout: 120_000 }, async () => {
    const quarter = partBytes / 4
    const lengths = fc.constantFrom(quarter, partBytes, partBytes + 1, 2 * partBytes + 1000)
    await fc.assert(
      fc.asyncProperty(
        lengths,
        fc.boolean(),
        fc.array(sent, { minLength: 1, maxLength: 5 }),
        async (length, isPacked, pieces) => {
          const text = fileOf(length)
          const file = isPacked ? gzipSync(text, { level: 0 }) : text
          const at = await stage(file)
          for (const one of pieces) {
            const { offset } = await getUpload(at.res, at.place)
            const from = Math.min(offset + one.off, file.length)
            const to = Math.min(from + one.quarters * quarter, file.length)
            const breaksAt = one.breaks === null ? Infinity : one.breaks * quarter
            const send = () => told(at.send(from, to, { sized: one.sized, breaksAt }))
            at.fuse(one.fault === null ? undefined : { ...one.fault })
            const first = send()
            if (one.beside === 'late') at.now.ahead += 15_001
            if (one.beside !== null) await send()
            await first
            at.fuse(undefined)
          }
          const job = await finish(at, file)
          const [only, ...others] = await at.jobs()
          expect(others).toEqual([])
          expect(only).toMatchObject({ id: job, hash: sha256(file) })
          const stored = await env.FILES.get(only?.file ?? '')
          const bytes = Buffer.from((await stored?.arrayBuffer()) ?? new ArrayBuffer())
          expect(sha256(bytes)).toBe(sha256(text))
          await runJob(at.res, { workspace: at.workspace, job: only?.key ?? 0 }, sourceOf)
          const members = await membersOf(at.workspace, at.group.id)
          expect(members).toHaveLength(Math.ceil(length / 16_384))
        },
      ),
      runs(4),
    )
  })

  it('goes on behind the last whole part where the connection breaks', async () => {
    const file = fileOf(2 * partBytes + 4 * pieceBytes)
    const at = await stage(file)
    await told(at.send(0, file.length, { breaksAt: 2 * partBytes + 2 * pieceBytes }))
    expect(await getUpload(at.res, at.place)).toMatchObject({ offset: 2 * partBytes, claim: null })
    await finish(at, file)
    expect(await at.jobs()).toMatchObject([{ hash: sha256(file) }])
  })

  it('is sent by one request at a time, until that stands still', async () => {
    const file = fileOf(partBytes + 1000)
    const at = await stage(file)
    const { promise, resolve } = Promise.withResolvers<void>()
    const stalled = storePiece(at.res, at.destination, {
      ...{ id: at.place.id, offset: 0, size: file.length },
      bytes: (async function* () {
        yield file.subarray(0, 1000)
        await promise
        yield file.subarray(1000)
      })(),
    })
    await expect.poll(async () => (await getUpload(at.res, at.place)).claim).not.toBeNull()
    expect(refusalOf(await told(at.send(0, file.length)))).toBe('locked')
    at.now.ahead += 15_001
    expect(await told(at.send(0, partBytes))).toMatchObject({ offset: partBytes })
    resolve()
    expect(refusalOf(await told(stalled))).toBe('locked')
    expect((await getUpload(at.res, at.place)).parts).toHaveLength(1)
    await finish(at, file)
    expect(await at.jobs()).toMatchObject([{ hash: sha256(file) }])
  })

  it('ends by its last piece again, wherever the end has died', async () => {
    const file = fileOf(1000)
    for (const of of [undefined, 'files'] as const)
      for (let call = 0; call < 8; call++) {
        const at = await stage(file)
        at.fuse({ ...(of && { of }), at: call, when: 'after' })
        const first = await told(at.send(0, file.length))
        at.fuse(undefined)
        at.now.ahead += 15_001
        const { job } = await getUpload(at.res, at.place)
        const again = job === null ? await told(at.send(0, file.length)) : first
        if (again !== undefined) expect(again).toMatchObject({ offset: file.length })
        expect(await at.jobs()).toMatchObject([{ id: at.place.id, hash: sha256(file) }])
      }
  })

  it('is answered with its job wherever a call fails once that is open', async () => {
    for (const [i, file] of [fileOf(1000), gzipSync('ann\n')].entries())
      for (let call = i % everyCall; call < 10; call += everyCall) {
        const at = await stage(file)
        at.fuse({ at: call, when: 'before' })
        const answer = await told(at.send(0, file.length))
        at.fuse(undefined)
        const [job] = await at.jobs()
        if (job !== undefined) expect([call, answer]).toMatchObject([call, { job: job.id }])
      }
  })

  it('is unpacked again where the bucket breaks off meanwhile', async () => {
    const file = gzipSync(randomLines(20_000))
    const at = await stage(file)
    const files = breaking(at.res.files, 64 * 1024)
    const broken = storePiece({ ...at.res, files }, at.destination, {
      ...{ id: at.place.id, offset: 0, size: file.length, bytes: body(file, Infinity) },
    })
    await expect(broken).rejects.toThrow('the bucket broke off')
    await finish(at, file)
    expect(await at.jobs()).toMatchObject([{ hash: sha256(file) }])
  })

  it('goes on as a job where its packed bytes cannot be deleted', async () => {
    const file = gzipSync('ann\nbob\n')
    for (let call = 0; call < 8; call++) {
      const at = await stage(file)
      at.fuse({ of: 'files', at: call, when: 'before' })
      await told(at.send(0, file.length))
      at.fuse(undefined)
      const { job } = await getUpload(at.res, at.place)
      if (job !== null) expect(at.enqueued).toHaveLength(1)
      else await finish(at, file)
      at.now.ahead += 13 * hour
      await sweepUploads(at.res)
      expect(await objects()).toEqual((await at.jobs()).map((one) => one.file))
      await env.FILES.delete(await objects())
    }
  })

  it('opens no job where the upload is deleted before', async () => {
    const file = fileOf(1000)
    for (const dies of [false, true])
      for (let call = Number(dies) % everyCall; call < 8; call += everyCall) {
        const [at, deleting] = [await stage(file), hazardous()]
        const { promise, resolve } = Promise.withResolvers<void>()
        const asleep = new Promise<void>((fallen) => at.fuse({ at: call, until: promise, fallen }))
        const sending = told(at.send(0, file.length))
        await Promise.race([asleep, sending])
        at.fuse(undefined)
        const [before] = await at.jobs()
        if (dies) deleting.fuse({ of: 'files', at: 0, when: 'before' })
        await told(deleteUpload(deleting.res, at.destination, at.place.id))
        resolve()
        const answer = await sending
        const [job] = await at.jobs()
        expect([call, job, answer instanceof Failure]).toEqual([call, before, before === undefined])
        await sweepUploads(at.res)
        expect(await objects()).toHaveLength(before === undefined ? 0 : 1)
        await env.FILES.delete(await objects())
      }
  })

  it('begins again where a part is not the one that was recorded', async () => {
    const file = fileOf(partBytes + 1000)
    const at = await stage(file)
    const { offset, fileKey, multipart } = await at.send(0, partBytes)
    const late = env.FILES.resumeMultipartUpload(fileKey, multipart ?? '')
    await late.uploadPart(1, file.subarray(0, partBytes))
    expect(refusalOf(await told(at.send(offset, file.length)))).toBe('other-offset')
    expect(await getUpload(at.res, at.place)).toMatchObject({ offset: 0, parts: [] })
    await finish(at, file)
    expect(await at.jobs()).toMatchObject([{ hash: sha256(file) }])
    expect(await objects()).toHaveLength(1)
  })
})

describe('an upload that nobody goes on with', () => {
  const parts = async (fileKey: string, multipart: string | null) =>
    env.FILES.resumeMultipartUpload(fileKey, multipart ?? '')
      .uploadPart(9, 'x')
      .then(
        () => 'there',
        () => 'gone',
      )

  it('is gone after twelve hours, with what is stored of it', async () => {
    const file = fileOf(partBytes + 1000)
    const at = await stage(file)
    const { fileKey, multipart, updatedAt } = await at.send(0, partBytes)
    at.now.ahead = updatedAt + 12 * hour - Date.now() - 1000
    await sweepUploads(at.res)
    expect(await parts(fileKey, multipart)).toBe('there')
    at.now.ahead += 1001
    expect(await told(at.send(partBytes, file.length))).toMatchObject(missing)
    await sweepUploads(at.res)
    expect(await parts(fileKey, multipart)).toBe('gone')
    await expect(getUpload(at.res, at.place)).rejects.toMatchObject(missing)
  })

  it('is gone then, also behind hundreds that have ended', async () => {
    const at = await stage(fileOf(partBytes + 1000))
    const { fileKey, multipart } = await at.send(0, partBytes)
    at.now.ahead += 13 * hour
    await homeDb
      .prepare(
        `INSERT INTO resumable_uploads (id, workspace_id, length, file_name, fields, file_key, format,
          created_at, updated_at, job_id)
        SELECT 'u' || value, 1, 4, 'a.csv', '{}', 'uploads/1/' || value, '{}', 1, 1, 'u' || value
        FROM json_each(?)`,
      )
      .bind(JSON.stringify(Array.from({ length: 300 }, (_, i) => i)))
      .run()
    await sweepUploads(at.res)
    expect(await parts(fileKey, multipart)).toBe('gone')
    const left = await homeDb.prepare('SELECT count(*) AS n FROM resumable_uploads').first('n')
    expect(left).toBe(0)
  })

  it('leaves nothing wherever its deletion dies', async () => {
    const file = fileOf(partBytes + 1000)
    for (const of of [undefined, 'files'] as const)
      for (let call = 0; call < 3; call++) {
        const at = await stage(file)
        const { fileKey, multipart } = await at.send(0, partBytes)
        at.fuse({ ...(of && { of }), at: call, when: 'before' })
        await deleteUpload(at.res, at.destination, at.place.id).catch(unlessCrash)
        at.fuse(undefined)
        at.now.ahead += 13 * hour
        await sweepUploads(at.res)
        expect(await parts(fileKey, multipart)).toBe('gone')
      }
    const { results } = await homeDb.prepare('SELECT id FROM resumable_uploads').all()
    expect(results).toEqual([])
  })

  it('keeps its file while it may end, and that of its job', async () => {
    const file = fileOf(1000)
    const at = await stage(file)
    await homeDb
      .prepare("UPDATE experience_groups SET audience_id = 'owls' WHERE key = ?")
      .bind(at.group.key)
      .run()
    await told(at.send(0, file.length))
    expect(await objects()).toHaveLength(1)
    await sweepFiles({ ...at.res, now: () => Date.now() + 25 * hour })
    expect(await objects()).toHaveLength(1)
    await homeDb
      .prepare('UPDATE experience_groups SET audience_id = NULL WHERE key = ?')
      .bind(at.group.key)
      .run()
    await finish(at, file)
    at.now.ahead += 13 * hour
    await sweepUploads(at.res)
    expect(await objects()).toHaveLength(1)
    const [job] = await at.jobs()
    await runJob(at.res, { workspace: at.workspace, job: job?.key ?? 0 }, sourceOf)
    expect(await objects()).toEqual([])
  })
})
