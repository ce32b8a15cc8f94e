import fc from 'fast-check'
import Papa from 'papaparse'
import { beforeAll, describe, expect, it } from 'vitest'
import { readId } from '../../src/text.ts'
import { declined, refused, said } from '../support/answers.ts'
import { Bank, eventually, hasEnded } from '../support/api.ts'
import { Team } from '../support/identity.ts'
import { runs } from '../support/property.ts'

const exists = { operator: 'exists', attribute: 'plan' }

/** A group and an audience with the same people in them. */
class Both {
  readonly bank: Bank
  readonly team: Team
  readonly group: string
  private constructor(bank: Bank, team: Team, group: string) {
    this.bank = bank
    this.team = team
    this.group = group
  }

  static async of(ids: string[]): Promise<Both> {
    const team = await Team.open()
    const bank = await Bank.open(undefined, team.workspace)
    const group = await bank.group('everybody')
    const cells = ids.map((id) => `"${id.replaceAll('"', '""')}"`)
    await bank.apply(group, 'ADD', `ParticipantId\n${cells.join('\n')}\n`)
    const body = `user_id,plan\n${cells.map((cell) => `${cell},gold\n`).join('')}`
    const headers = { 'content-type': 'text/csv' }
    const { id } = await said(team.call('PUT', '/users', { body, headers }))
    await eventually(() => team.get(`/imports/${String(id)}`), hasEnded)
    await team.audience('everybody', exists)
    return new Both(bank, team, group)
  }

  /** Both lists with a query, in the order of `doors`. */
  answers(query: string): Promise<Response>[] {
    const init = { headers: { accept: 'text/csv' } }
    return [
      this.bank.call('GET', `/groups/${this.group}/participants?${query}`, init),
      this.team.call('GET', `/audiences/everybody/users?${query}`, init),
    ]
  }

  async texts(query: string): Promise<string[]> {
    const answers = await Promise.all(this.answers(query))
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    return Promise.all(answers.map((answer) => answer.text()))
  }
}

const formulas = ['=1+1', '+1', '-1', '@SUM(A1)', '=HYPERLINK("//x","y")', '＝1', '-1;=2', "'=1"]
const harmless = ['ann', '1-1', 'a=b', 'a@b.c', 'a,=1', '李雷', '"=1"']

let both: Both
beforeAll(async () => {
  both = await Both.of([...formulas, ...harmless])
})

describe('a list for a spreadsheet', () => {
  it('has an apostrophe before what would be a formula, and nowhere else', async () => {
    for (const text of await both.texts('for=spreadsheet')) {
      const [, ...cells] = text.trimEnd().split('\n')
      expect(new Set(cells)).toEqual(
        new Set([
          "'=1+1",
          "'+1",
          "'-1",
          "'@SUM(A1)",
          `"'=HYPERLINK(""//x"",""y"")"`,
          "'＝1",
          `"'-1;=2"`,
          "''=1",
          'ann',
          '1-1',
          'a=b',
          'a@b.c',
          '"a,=1"',
          '李雷',
          '"""=1"""',
        ]),
      )
    }
  })

  it('goes on after an id as the plain one does', async () => {
    for (const text of await both.texts('for=spreadsheet&after=@SUM(A1)'))
      expect(text.split('\n').slice(1, -1)).toEqual([
        '"a,=1"',
        'a=b',
        'a@b.c',
        'ann',
        '李雷',
        "'＝1",
      ])
  })

  it('is asked for by name alone', async () => {
    const plain = await both.texts('')
    expect(await both.texts('for=upload')).toEqual(plain)
    for (const text of plain) expect(text).toContain('\n=1+1\n')
    const problem = 'for must be upload or spreadsheet'
    for (const query of ['for=excel', 'for=Spreadsheet', 'for=spreadsheet&for=upload']) {
      const [ofGroup, ofAudience] = both.answers(query).map(said)
      expect(await ofGroup).toEqual(refused(problem))
      expect(await ofAudience).toEqual(declined(422, problem))
    }
  })

  it('changes no page in JSON', async () => {
    const path = `/groups/${both.group}/participants`
    expect(await both.bank.get(`${path}?for=spreadsheet`)).toEqual(await both.bank.get(path))
  })
})

it('any id is a cell that runs nothing, and tells which id it is', async () => {
  const character = fc.oneof(
    fc.constantFrom(...`=+-@'",;|\t ＝＋－＠a1`),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  )
  const id = fc
    .array(character, { minLength: 1, maxLength: 8 })
    .map((characters) => readId(characters.join(''), 32))
    .filter((read) => 'id' in read)
    .map(({ id }) => id)
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(id, { minLength: 1, maxLength: 40 }), async (ids) => {
      const both = await Both.of(ids)
      for (const text of await both.texts('for=spreadsheet')) {
        const rows = Papa.parse<string[]>(text, { delimiter: ',', newline: '\n' }).data
        const cells = rows.slice(1, -1).map(([cell = '', ...more]) => {
          expect(more).toEqual([])
          return cell
        })
        for (const cell of cells) expect(cell).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/)
        expect(cells.map((cell) => cell.replace(/^'/, '')).sort()).toEqual(ids.toSorted())
      }
    }),
    runs(3),
  )
})
