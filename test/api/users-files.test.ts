import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { declined, said } from '../support/answers.ts'
import { eventually, hasEnded, type Json } from '../support/api.ts'
import { Team } from '../support/identity.ts'

async function merge(team: Team, file: string | Uint8Array, query = ''): Promise<Json> {
  const answer = await team.call('PUT', `/users${query}`, {
    body: typeof file === 'string' ? file : Uint8Array.from(file),
    headers: { 'content-type': 'text/csv' },
  })
  expect(answer.status).toBe(202)
  const { id } = await answer.json<Json>()
  return eventually(() => team.get(`/imports/${String(id)}`), hasEnded)
}

const errorsOf = async (team: Team, { id }: Json) =>
  (await team.get(`/imports/${String(id)}/errors`))['errors']

const people = 'user_id,city\nann,Zürich\nbob,\n'

describe('a file of users in other clothes', () => {
  it.each<[string, string | Uint8Array]>([
    ['gzip', gzipSync(people)],
    ['UTF-16', Buffer.from(`\ufeff${people}`, 'utf16le')],
    ['semicolons', people.replaceAll(',', ';')],
    ['tabs and CR', people.replaceAll(',', '\t').replaceAll('\n', '\r')],
    ['a separator that is named', `sep=;\n${people.replaceAll(',', ';')}`],
    ['trailing separators', people.replaceAll('\n', ',,\n')],
    ['the header of an export', people.replace('user_id', 'ParticipantId')],
    ['another usual header', people.replace('user_id', 'Customer ID')],
    ['the invisible around ids', people.replace('ann', '\u200bann\u00a0')],
  ])('is merged: %s', async (_, file) => {
    const team = await Team.open()
    expect(await merge(team, file)).toMatchObject({ status: 'SUCCESSFUL', rows: 2 })
    expect(await team.profile('ann')).toMatchObject({ user_attributes: { city: 'Zürich' } })
    expect(await team.profile('bob')).toMatchObject({ user_attributes: {} })
  })

  it('says nothing in cells of blanks, and reads names without the invisible', async () => {
    const team = await Team.open()
    await team.user('ann', { city: 'Bern', town: 'Thun' })
    expect(await merge(team, 'user_id,city\u200b,town\nann,  ,\u200b\n')).toMatchObject({
      status: 'SUCCESSFUL',
      attributes_changed: 0,
    })
    expect(await team.profile('ann')).toMatchObject({
      user_attributes: { city: 'Bern', town: 'Thun' },
    })
  })

  it('has ids alone where its header is absent', async () => {
    const team = await Team.open()
    const job = await merge(team, 'user_id\nann\n', '?header=absent')
    expect(job).toMatchObject({ status: 'SUCCESSFUL', users_created: 2 })
    expect(await team.profile('user_id')).toMatchObject({ user_attributes: {} })
  })

  it('may have any first column where its header is present', async () => {
    const team = await Team.open()
    const job = await merge(team, 'Kundennummer,city\nann,Bern\n', '?header=present')
    expect(job).toMatchObject({ status: 'SUCCESSFUL' })
    expect(await team.profile('ann')).toMatchObject({ user_attributes: { city: 'Bern' } })
  })
})

describe('a file of users that is none', () => {
  it.each([
    ['an Excel workbook', 'PK\x03\x04[Content_Types].xml'],
    ['JSON', '[{"user_id": "ann"}]'],
    ['an HTML page', '<!doctype html>'],
  ])('is refused at once: %s', async (what, file) => {
    const team = await Team.open()
    const headers = { 'content-type': 'text/csv' }
    const answer = await team.call('PUT', '/users', { body: file, headers })
    expect([answer.status, await answer.json()]).toEqual([
      400,
      {
        errors: [
          {
            message: `File content is not a list of users: it looks like ${what}. Save it as CSV and upload that.`,
          },
        ],
      },
    ])
  })

  it('writes nobody where a NUL byte comes late', async () => {
    const team = await Team.open()
    const rows = Array.from({ length: 30_000 }, (_, i) => `user-${i},Bern\n`).join('')
    const job = await merge(team, `user_id,city\n${rows}ann,Be\0rn\n`)
    expect(job).toMatchObject({ status: 'FAILED', users_created: 0, rows: 0 })
    expect(await errorsOf(team, job)).toMatchObject([{ line: 0, value: expect.any(String) }])
    expect((await team.call('GET', '/users/user-0')).status).toBe(404)
  })

  it.each([
    ['a cell below no name', 'user_id,city,\nann,Bern,x\nbob,Bern,\n', 2, 'ann,Bern,x'],
    ['its header again', 'user_id,city\nbob,Bern\nUser ID,city\n', 3, 'User ID,city'],
    ['another header', 'user_id,city\nbob,Bern\nUSER_ID,town\n', 3, 'USER_ID,town'],
    ['a row that is too short', 'user_id,city\nann\nbob,Bern\n', 2, 'ann'],
    ['an id of nothing visible', 'user_id,city\n\u200b,x\nbob,Bern\n', 2, '\ufffd,x'],
    ['an id that no path carries', 'user_id,city\n..,x\nbob,Bern\n', 2, '..,x'],
  ])('has a row refused with its text: %s', async (_, file, line, value) => {
    const team = await Team.open()
    const job = await merge(team, file)
    expect(job).toMatchObject({ status: 'PARTIAL_SUCCESS', rows: 2, rows_refused: 1 })
    expect(await errorsOf(team, job)).toMatchObject([{ line, value }])
    expect(await team.profile('bob')).toMatchObject({ user_attributes: { city: 'Bern' } })
  })

  it('has an error where it has no row', async () => {
    const team = await Team.open()
    const job = await merge(team, 'user_id,city\n')
    expect(job).toMatchObject({ status: 'FAILED' })
    expect(await errorsOf(team, job)).toEqual([
      { line: 0, message: 'The file has no user.', value: null },
    ])
  })

  it('has a row of a hundred long cells beyond ASCII written', async () => {
    const team = await Team.open()
    const names = Array.from({ length: 100 }, (_, i) => `a${i}`)
    const cells = names.map(() => 'ß'.repeat(4096))
    const job = await merge(team, `user_id,${names.join()}\nann,${cells.join()}\n`)
    expect(job).toMatchObject({ status: 'SUCCESSFUL', attributes_changed: 100 })
  })

  it('fails whose header names what a definition shares', async () => {
    const team = await Team.open()
    await team.define({
      id: 'household',
      source_user_attribute: '$address',
      attributes: [{ id: 'has_dog', type: 'boolean_or' }],
    })
    const job = await merge(team, 'user_id,household:has_dog\nann,true\n')
    expect(job).toMatchObject({ status: 'FAILED', users_created: 0 })
    expect(job['details']).toContain('none that a group definition shares')
    expect(await merge(team, 'user_id,household:cat\nann,true\n')).toMatchObject({
      status: 'SUCCESSFUL',
    })
  })

  it('has an error where its header is none', async () => {
    const team = await Team.open()
    const job = await merge(team, 'name,city\nann,Bern\n')
    expect(await errorsOf(team, job)).toMatchObject([{ line: 1, value: 'name,city' }])
  })
})

it('an export of participants can be uploaded as users', async () => {
  const team = await Team.open()
  expect(await merge(team, 'ParticipantId\nann\n"b,c"\n')).toMatchObject({ users_created: 2 })
  expect((await team.call('GET', '/users/b%2Cc')).status).toBe(200)
})

describe('a file of users with the fields of another', () => {
  const mode = 'mode must be apply: a file of users has no preview'
  const percent = 'maxRemovePercent is only of files of participants: users are not removed'

  it.each([
    ['mode=preview', mode],
    ['mode=', mode],
    ['mode=apply&mode=apply', 'mode must be given once'],
    ['maxRemovePercent=50', percent],
    ['maxRemovePercent=', percent],
  ])('is refused as %s, in the query or in the form', async (query, message) => {
    const team = await Team.open()
    const inQuery = team.call('PUT', `/users?${query}`, {
      body: people,
      headers: { 'content-type': 'text/csv' },
    })
    expect(await said(inQuery)).toEqual(declined(422, message))
    for (const isFirst of [true, false]) {
      const form = new FormData()
      if (!isFirst) form.set('file', new File([people], 'a.csv', { type: 'text/csv' }))
      for (const [name, value] of new URLSearchParams(query)) form.append(name, value)
      if (isFirst) form.set('file', new File([people], 'a.csv', { type: 'text/csv' }))
      const inForm = await said(team.call('PUT', '/users', { body: form }))
      expect(inForm).toEqual(declined(422, message))
    }
    expect(await team.get('/imports')).toMatchObject({ imports: [] })
  })

  it('is merged in mode apply', async () => {
    const team = await Team.open()
    expect(await merge(team, people, '?mode=apply')).toMatchObject({ status: 'SUCCESSFUL' })
  })
})
