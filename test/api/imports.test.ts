import { describe, expect, it } from 'vitest'
import { declined, said } from '../support/answers.ts'
import { Bank, type Json } from '../support/api.ts'
import { platformScopes, Team } from '../support/identity.ts'

const notFound = declined(404, 'Not found')

/** Takes files of users in, one after the other, and waits until they have ended. */
async function merged(team: Team, files: string[]): Promise<Json[]> {
  const ended: Json[] = []
  for (const body of files) {
    const init = { body, headers: { 'content-type': 'text/csv' } }
    const { id } = await said(team.call('PUT', '/users', init))
    for (let tries = 0; tries < 500 && ended.at(-1)?.['id'] !== id; tries++) {
      const shown = await team.get(`/imports/${String(id)}`)
      if (!['CREATED', 'PROCESSING'].includes(String(shown['status']))) ended.push(shown)
      else await scheduler.wait(20)
    }
  }
  expect(ended).toHaveLength(files.length)
  return ended
}

const threeBad = 'user_id,city\nann,Bern,x\nbob,Thun\ncid\ndan,Biel,y\n'

describe('GET /imports', () => {
  it('shows the files newest first, page by page', async () => {
    const team = await Team.open()
    expect(await team.get('/imports')).toEqual({ imports: [], next: null })
    const [first, second, third] = await merged(team, ['user_id\nann\n', threeBad, 'user_id\n'])
    expect(await team.get('/imports')).toEqual({ imports: [third, second, first], next: null })
    const page = await team.get('/imports?size=2')
    expect(page).toEqual({ imports: [third, second], next: expect.any(Number) })
    expect(await team.get(`/imports?size=2&before=${String(page['next'])}`)).toEqual({
      imports: [first],
      next: null,
    })
  })

  it.each([
    ['/imports', 100],
    ['/imports/{id}/errors', 1000],
  ])('takes sizes from 1 to its limit alone: %s %i', async (path, most) => {
    const team = await Team.open()
    const [job] = await merged(team, ['user_id\nann\n'])
    const ask = (size: unknown) =>
      team.call('GET', `${path.replace('{id}', String(job?.['id']))}?size=${String(size)}`)
    for (const size of [1, most]) expect((await ask(size)).status, `${size}`).toBe(200)
    for (const size of [0, most + 1, 1.5, 'x'])
      expect((await ask(size)).status, `${size}`).toBe(422)
  })
})

describe('GET /imports/{id}/errors', () => {
  it('shows the rows that were refused by their lines, page by page', async () => {
    const team = await Team.open()
    const [job] = await merged(team, [threeBad])
    expect(job).toMatchObject({ status: 'PARTIAL_SUCCESS', rows: 4, rows_refused: 3 })
    const page = async (query: string) => {
      const path = `/imports/${String(job?.['id'])}/errors${query}`
      const { errors, total } = await team.get<{ errors: Json[]; total: number }>(path)
      return [errors.map(({ line }) => line), total]
    }
    expect(await page('')).toEqual([[2, 4, 5], 3])
    expect(await page('?size=2')).toEqual([[2, 4], 3])
    expect(await page('?size=2&page=1')).toEqual([[5], 3])
    expect(await page('?size=2&page=2')).toEqual([[], 3])
  })
})

describe('a file of users', () => {
  it('is none of another workspace', async () => {
    const [team, other] = [await Team.open(), await Team.open()]
    const [job] = await merged(team, [threeBad])
    expect(await other.get('/imports')).toEqual({ imports: [], next: null })
    for (const path of ['', '/errors'])
      expect(await said(other.call('GET', `/imports/${String(job?.['id'])}${path}`))).toEqual(
        notFound,
      )
  })

  it('is not shown as a job of a group, nor the reverse', async () => {
    const bank = await Bank.open()
    const team = await Team.open(platformScopes, bank.workspace)
    const { jobId } = await bank.apply(await bank.group(), 'ADD', 'ann\n')
    expect(await said(team.call('GET', `/imports/${String(jobId)}`))).toEqual(notFound)
    expect(await team.get('/imports')).toEqual({ imports: [], next: null })
    const [job] = await merged(team, [threeBad])
    expect((await bank.call('GET', `/jobs/${String(job?.['id'])}`)).status).toBe(400)
    expect(await bank.get('/jobs')).toMatchObject({ content: [{ jobId }] })
  })
})
