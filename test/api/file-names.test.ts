import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readFileName } from '../../src/jobs/file-name.ts'
import { said } from '../support/answers.ts'
import { Bank, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'
import { runs } from '../support/property.ts'
import { add, end, opened, part, send } from '../support/uploads.ts'

const family = '👩‍👩‍👧'

/** Names as they are sent in a form, and as they are shown. */
const names: [what: string, sent: string, shown: string][] = [
  ['nothing odd', 'people (1) – März.csv', 'people (1) – März.csv'],
  ['the folder that browsers invent', 'C:\\fakepath\\people.csv', 'people.csv'],
  ['folders above', '../../etc/passwd', 'passwd'],
  ['folders above, in the manner of Windows', '..\\..\\boot.ini', 'boot.ini'],
  ['a share', '\\\\server\\share\\people.csv', 'people.csv'],
  ['nothing behind its folder', 'people/', 'people'],
  ['nothing but folders above', '../..', 'unnamed.csv'],
  ['nothing visible', '\u200b \u00a0', 'unnamed.csv'],
  ['a change of direction', 'people\u202evsc.exe', 'peoplevsc.exe'],
  ['control characters', 'peo\u009bple\u0085.csv', 'people.csv'],
  ['invisible characters', '\ufeffpeo\u00adple\u200b.csv', 'people.csv'],
  ['an emoji of several', `${family}.csv`, `${family}.csv`],
  ['an accent apart', 'cafe\u0301.csv', 'café.csv'],
  ['quotes as browsers send them', 'my %22people%22.csv', 'my "people".csv'],
  ['quotes as curl sends them', 'my \\"people\\".csv', 'my "people".csv'],
  ['lines as browsers send them', 'two%0D%0Alines.csv', 'twolines.csv'],
  ['a percent sign', '100%.csv', '100%.csv'],
  ['percent-encoding, which forms do not have', 'a%20b%2Fc.csv', 'a%20b%2Fc.csv'],
  ['300 emoji', '🎉'.repeat(300), '🎉'.repeat(255)],
]

const csv = (filename: string) => part('fileName', 'ann\n', { filename, type: 'text/csv' })

describe.each(names)('a file name with %s', (_, sent, shown) => {
  it('is shown as people read it', async () => {
    const { bank, group } = await opened()
    const answer = await said(send(bank, group, add + csv(sent) + end))
    const jobId = String(answer['jobId'])
    expect(answer['message']).toBe(
      `File upload for file: ${shown} and group: ${group} was successful with jobId: ${jobId}`,
    )
    const job = await bank.ended(jobId)
    expect(job).toMatchObject({ inputFileName: shown, jobStatus: 'SUCCESSFUL' })
    // The file is stored under a name of ours.
    expect(job['workingFileName']).toMatch(/^[\da-f-]{36}\.csv$/)
  })
})

it.each([
  ['../../etc/pass\u202ewd', 'passwd'],
  ['C:\\fakepath\\users.csv', 'users.csv'],
  ['a"b\r\nX-Evil: 1.csv', 'a"bX-Evil: 1.csv'],
])('a name in a query is read so, too: %j', async (sent, shown) => {
  const team = await Team.open()
  const bank = await Bank.open(undefined, team.workspace)
  const init = { body: 'user_id\nann\n', headers: { 'content-type': 'text/csv' } }
  const query = `fileName=${encodeURIComponent(sent)}`
  const import_ = await said(team.call('PUT', `/users?${query}`, init))
  expect(import_).toMatchObject({ status: 'CREATED', file_name: shown })
  expect(await team.get<Json>(`/imports/${String(import_['id'])}`)).toMatchObject({
    file_name: shown,
  })
  const group = await bank.group()
  const upload = await said(
    bank.call('PUT', `/groups/${group}/participants?type=ADD&${query}`, init),
  )
  expect(await bank.ended(String(upload['jobId']))).toMatchObject({ inputFileName: shown })
})

it('a file name of UTF-8 by RFC 5987 is read so, too', async () => {
  const { bank, group } = await opened()
  const file = csv('x').replace('"x"', `"x"; filename*=UTF-8''..%2F%E2%80%AEpeople%0D%0A.csv`)
  const { jobId } = await said(send(bank, group, add + file + end))
  expect(await bank.ended(String(jobId))).toMatchObject({ inputFileName: 'people.csv' })
})

it('a list is named by us, whatever the group and its file are called', async () => {
  const { bank } = await opened()
  const group = await bank.group('a"; filename=evil.exe; x="')
  const { jobId } = await said(send(bank, group, add + csv('x%22; filename=evil.exe') + end))
  await bank.ended(String(jobId))
  const answer = await bank.call('GET', `/groups/${group}/participants`, {
    headers: { accept: 'text/csv' },
  })
  expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${group}.csv"`)
})

it('whatever is sent, a name is short, visible, without folders, and read once', () => {
  const sign = fc.constantFrom(...'/\\..:%"\r\n\0\u202e\u200d👩é ', '\u0301', '\ud800')
  const character = fc.oneof(sign, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }))
  const name = fc.array(character, { maxLength: 400 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(name, (sent) => {
      const shown = readFileName(sent)
      expect([...shown].length).toBeLessThanOrEqual(255)
      expect(shown).not.toMatch(/[/\\\p{Cc}\p{Zl}\p{Zp}]|^\.{0,2}$/u)
      expect(shown.replace(/\p{RGI_Emoji}/gv, '')).not.toMatch(/\p{Cf}/u)
      expect(shown.isWellFormed()).toBe(true)
      expect(shown).toBe(shown.normalize('NFC').trim())
      expect(readFileName(shown)).toBe(shown)
    }),
    runs(2000),
  )
})
