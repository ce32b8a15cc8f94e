import { describe, expect, it } from 'vitest'
import { pageOf, said, type Page, uuid } from '../support/answers.ts'
import { Bank, lines } from '../support/api.ts'

const list = (bank: Bank, query = '') => pageOf(bank, `/groups${query}`)
const names = ({ content }: Page) => content.map(({ groupName }) => groupName)
const rels = ({ links }: Page) => links.map(({ rel }) => rel)

describe('GET /groups', () => {
  const bankWith = async (...groups: string[]) => {
    const bank = await Bank.open()
    for (const name of groups) await bank.group(name)
    return bank
  }

  it('lists the groups, with a link to itself alone', async () => {
    const bank = await bankWith('b', 'a')
    await bank.apply(
      String((await list(bank)).content[1]?.['groupId']),
      'ADD',
      lines(['ann', 'bob']),
    )
    const { links, content, page } = await list(bank)
    expect(page).toEqual({ size: 20, totalElements: 2, totalPages: 1, number: 0 })
    expect(links).toEqual([
      { rel: 'self', href: 'https://coterie.test/groups/v3/groups?page=0&size=20' },
    ])
    const item = { groupId: expect.stringMatching(uuid), groupType: 'EXPERIENCE_GROUP', links: [] }
    expect(content).toEqual([
      { ...item, groupName: 'a', noOfParticipants: 0 },
      { ...item, groupName: 'b', noOfParticipants: 2 },
    ])
  })

  it('answers an empty workspace with an empty page', async () => {
    const { content, page, links } = await list(await Bank.open())
    expect({ content, page }).toEqual({
      content: [],
      page: { size: 20, totalElements: 0, totalPages: 0, number: 0 },
    })
    expect(links.map(({ rel }) => rel)).toEqual(['self'])
  })

  it('links the neighbours of a page, with its size and sort', async () => {
    const bank = await bankWith('e', 'c', 'a', 'b', 'd')
    const pages: [page: number, names: string[], links: Record<string, number>][] = [
      [0, ['e', 'd'], { first: 0, self: 0, next: 1, last: 2 }],
      [1, ['c', 'b'], { first: 0, prev: 0, self: 1, next: 2, last: 2 }],
      [2, ['a'], { first: 0, prev: 1, self: 2, last: 2 }],
    ]
    for (const [number, expected, links] of pages) {
      const found = await list(bank, `?page=${number}&size=2&sort=groupName,desc`)
      expect(names(found)).toEqual(expected)
      expect(found.page).toEqual({ size: 2, totalElements: 5, totalPages: 3, number })
      expect(
        Object.fromEntries(
          found.links.map(({ rel, href }) => [rel, Number(new URL(href).searchParams.get('page'))]),
        ),
      ).toEqual(links)
      expect(rels(found)).toEqual(Object.keys(links))
      for (const { rel, href } of found.links) {
        const { origin, pathname, searchParams, search } = new URL(href)
        expect(origin + pathname).toBe('https://coterie.test/groups/v3/groups')
        expect([...searchParams].sort()).toEqual([
          ['page', String(links[rel])],
          ['size', '2'],
          ['sort', 'groupName,desc'],
        ])
        expect(names(await list(bank, search))).toEqual(pages[links[rel] ?? -1]?.[1])
      }
    }
  })

  it('links a page beyond the last to the last', async () => {
    const bank = await bankWith('a', 'b', 'c')
    const { content, links, page } = await list(bank, '?page=7&size=2')
    expect({ content, page }).toEqual({
      content: [],
      page: { size: 2, totalElements: 3, totalPages: 2, number: 7 },
    })
    expect(links.find(({ rel }) => rel === 'prev')?.href).toContain('page=1')
    expect(links.some(({ rel }) => rel === 'next')).toBe(false)
  })

  it('sorts by each field both ways, by name if none is given', async () => {
    const bank = await Bank.open()
    const types: Record<string, string> = { b: 'ONE', a: 'TWO', c: 'THREE' }
    for (const [groupName, groupType] of Object.entries(types))
      await bank.send('POST', '/groups', { groupName, groupType })
    const ids = (await list(bank)).content.map(({ groupId }) => String(groupId)).sort()
    expect(names(await list(bank))).toEqual(['a', 'b', 'c'])
    expect(names(await list(bank, '?sort=groupName'))).toEqual(['a', 'b', 'c'])
    expect(names(await list(bank, '?sort=groupName,DESC'))).toEqual(['c', 'b', 'a'])
    expect(names(await list(bank, '?sort=groupType.groupTypeName'))).toEqual(['b', 'c', 'a'])
    expect(names(await list(bank, '?sort=groupType.groupTypeName,desc'))).toEqual(['a', 'c', 'b'])
    expect((await list(bank, '?sort=groupId,asc')).content.map(({ groupId }) => groupId)).toEqual(
      ids,
    )
    expect((await list(bank, '?sort=groupId,desc')).content.map(({ groupId }) => groupId)).toEqual(
      ids.reverse(),
    )
  })

  it.each([
    ['page', ['-1', '1.5', 'x', '1e400', 'NaN', '99999999999999999999', '1&page=2']],
    ['size', ['0', '-1', '2001', '1.5', 'many']],
    [
      'sort',
      [
        'name',
        'groupName,up',
        'groupName;desc',
        '__proto__',
        'groupType',
        'groupType_groupTypeName',
        'groupName,asc,desc',
        "groupName' OR 1=1",
      ],
    ],
  ])('refuses a wrong %s', async (field, values) => {
    const bank = await Bank.open()
    for (const value of values) {
      const { message, ...rest } = await said(bank.call('GET', `/groups?${field}=${value}`))
      expect(rest, value).toEqual({ status: 400, code: '2000' })
      expect(String(message)).toMatch(new RegExp(`^${field} must be `))
    }
  })

  it('takes the largest size and page, and refuses anything beyond', async () => {
    const bank = await bankWith('a')
    expect(names(await list(bank, '?size=2000'))).toEqual(['a'])
    expect(names(await list(bank, '?page=1000000000&size=2000'))).toEqual([])
    for (const page of [1_000_000_001, 2 ** 53 - 1])
      // whose offsets would be beyond what SQLite takes
      expect(await said(bank.call('GET', `/groups?page=${page}&size=2000`))).toMatchObject({
        status: 400,
        code: '2000',
      })
  })
})
