import { z } from 'zod'
import type { Paging } from '../../jobs/jobs.ts'
import { WholeNumber } from '../whole-number.ts'
import { Link } from './wire.ts'

const sizeMax = 2000

function wholeNumber(from: number, to: number) {
  const problem = `must be a whole number from ${from} to ${to}`
  return WholeNumber(from, to, { notWhole: problem, small: problem, large: problem })
}

/** `page`, `size` and `sort`; `fields` are our columns by their names in this dialect. */
export function PageQuery<Field extends string>(fields: Record<string, Field>) {
  const names = Object.keys(fields)
  return z.object({
    page: wholeNumber(0, 1_000_000_000).default(0),
    size: wholeNumber(1, sizeMax).default(20),
    sort: z
      .string()
      .regex(
        new RegExp(
          `^(${names.map((name) => name.replace('.', '\\.')).join('|')})(,(asc|desc))?$`,
          'i',
        ),
        `must be ${names.join(', ')}, followed by ,asc or ,desc if need be`,
      )
      .optional(),
  })
}

interface PageRequest {
  page: number
  size: number
}

/** The requested page in our words; sorted by `defaultSort` by default. */
export function pagingOf<Field extends string>(
  { page, size, sort }: PageRequest & { sort?: string | undefined },
  fields: Record<string, Field>,
  defaultSort: Paging<Field>['sort'],
): Paging<Field> {
  const [name = '', direction = 'asc'] = (sort ?? '').toLowerCase().split(',')
  const field = Object.entries(fields).find(([known]) => known.toLowerCase() === name)?.[1]
  return {
    page,
    size,
    sort: field === undefined ? defaultSort : { field, descending: direction === 'desc' },
  }
}

export const Page = <Item extends z.ZodType>(item: Item) =>
  z.object({
    links: z.array(Link),
    content: z.array(item),
    page: z.object({ size: z.int(), totalElements: z.int(), totalPages: z.int(), number: z.int() }),
  })

/** A page with links to others, which keep the rest of the query. */
export function showPage<Item, Shown>(
  url: string,
  { page, size }: PageRequest,
  { items, total }: { items: Item[]; total: number },
  show: (item: Item) => Shown,
) {
  const totalPages = Math.ceil(total / size)
  const linkTo = (rel: string, to: number) => {
    const target = new URL(url)
    target.searchParams.set('page', String(to))
    target.searchParams.set('size', String(size))
    return { rel, href: target.href }
  }
  const last = totalPages - 1
  const links = [
    ...(last > 0 ? [linkTo('first', 0)] : []),
    ...(page > 0 && last >= 0 ? [linkTo('prev', Math.min(page - 1, last))] : []),
    linkTo('self', page),
    ...(page < last ? [linkTo('next', page + 1)] : []),
    ...(last > 0 ? [linkTo('last', last)] : []),
  ]
  return {
    links,
    content: items.map(show),
    page: { size, totalElements: total, totalPages, number: page },
  }
}
