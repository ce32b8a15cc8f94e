import type { Context } from 'hono'
import type { Http } from '../../http.ts'
import { count } from './parts.tsx'

/** The page that the query names, from 1 on. */
export const pageIn = (c: Context<Http>): number =>
  Math.max(1, Number.parseInt(c.req.query('page') ?? '1', 10) || 1)

/** A page of a list that is read as a whole, and how many there are. */
export const paged = <Item,>(items: Item[], page: number, size: number) => ({
  shown: items.slice((page - 1) * size, page * size),
  pages: Math.ceil(items.length / size),
})

interface PagesProps {
  /** Of the list, with its query. */
  path: string
  page: number
  pages: number
  before: string
  after: string
}

/** Links to the pages before and after; nothing where there is one page. */
export function Pages({ path, page, pages, before, after }: PagesProps) {
  if (pages <= 1) return <></>
  const to = (number: number) => `${path}${path.includes('?') ? '&' : '?'}page=${number}`
  return (
    <p class="pages">
      {page > 1 && <a href={to(page - 1)}>{before}</a>}
      <span class="soft">
        Page {count(page)} of {count(pages)}
      </span>
      {page < pages && <a href={to(page + 1)}>{after}</a>}
    </p>
  )
}
