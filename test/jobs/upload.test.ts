import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { sourceOf } from '../../src/audiences/apply.ts'
import { runJob } from '../../src/experience/apply.ts'
import type { UploadPart } from '../../src/jobs/upload.ts'
import { opened, objects, uploaded } from '../support/uploads.ts'
import { hazardous } from '../support/hazard.ts'

async function* upload(bytes: Uint8Array): AsyncGenerator<UploadPart> {
  yield { field: 'type', value: 'ADD' }
  yield { file: 'people.csv', contentType: '' }
  yield { bytes }
}

it('an id of 64 characters is taken where the installation says so', async () => {
  const { bank, group } = await opened()
  const { res } = hazardous({ PARTICIPANT_MAX: 64 })
  const ids = [crypto.randomUUID(), '🎉'.repeat(64), 'x'.repeat(65)]
  const file = Buffer.from(ids.join('\n'))
  const { key } = await uploaded(res, bank.workspace, group, upload(file))
  await runJob(res, { workspace: bank.workspace, job: key }, sourceOf)
  expect(await bank.members(group)).toEqual(ids.slice(0, 2))
})

describe('a file that is larger than files may be', () => {
  const many = Buffer.from('ann\n'.repeat(100_000))

  it.each([
    ['as it is', many],
    ['once unpacked', gzipSync(many)],
    ['once it is UTF-8', Buffer.from(`\ufeff${'漢\n'.repeat(110_000)}`, 'utf16le')],
  ])('is refused %s, and leaves nothing', async (_, bytes) => {
    const { bank, group } = await opened()
    const { res } = hazardous({ FILE_BYTES_MAX: 399_999 })
    const receiving = uploaded(res, bank.workspace, group, upload(bytes))
    await expect(receiving).rejects.toMatchObject({
      facts: { reason: 'file-too-large', max: 399_999 },
    })
    expect(await objects()).toEqual([])
  })

  it('is taken at that size', async () => {
    const { bank, group } = await opened()
    const { res } = hazardous({ FILE_BYTES_MAX: 400_000 })
    const job = await uploaded(res, bank.workspace, group, upload(gzipSync(many)))
    expect(job.fileSize).toBe(400_000)
  })

  it('is refused early where it would unpack without end', async () => {
    const { bank, group } = await opened()
    const { res } = hazardous({ FILE_BYTES_MAX: 1_000_000 })
    const member = gzipSync(Buffer.alloc(10_000_000, '\n'))
    const bomb = Buffer.concat(Array.from({ length: 1000 }, () => member))
    const start = performance.now()
    const receiving = uploaded(res, bank.workspace, group, upload(bomb))
    await expect(receiving).rejects.toMatchObject({ facts: { reason: 'file-too-large' } })
    expect(performance.now() - start).toBeLessThan(5000)
  })
})
