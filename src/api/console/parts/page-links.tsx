import type { Context } from 'hono'
import type { Http } from '../../http.ts'
import { count } from './figures.tsx'

/** Pages that anybody leafs through; beyond, one searches. */
const pagesMost = 100_000

/** The page that the address names, from 0. */
export function pageNumber(c: Context<Http>): number {
  const text = c.req.query('page') ?? ''
  return /^\d{1,6}$/.test(text) ? Math.min(Number(text), pagesMost) : 0
}

/** A page of a list that is read as a whole. */
export const paged = <Item,>(items: Item[], page: number, size: number): Item[] =>
  items.slice(page * size, (page + 1) * size)

/** The path with other values in its query; an empty one is left out. */
export function hrefWith(path: string, query: Record<string, string>): string {
  const filled = Object.entries(query).filter(([, value]) => value !== '')
  return filled.length === 0 ? path : `${path}?${new URLSearchParams(filled).toString()}`
}

interface PageLinksProps {
  page: number
  size: number
  total: number
  /** The address of another page. */
  href: (page: string) => string
}

/** Which part of a list is shown, and the ways to its other parts. */
export function PageLinks({ page, size, total, href }: PageLinksProps) {
  if (total <= size && page === 0) return <></>
  const last = Math.max(0, Math.ceil(total / size) - 1)
  const from = page * size
  return (
    <nav class="pages" aria-label="Pages of the list">
      {page > 0 && <a href={href(page === 1 ? '' : String(Math.min(page - 1, last)))}>Previous</a>}
      <span class="soft">
        {from < total
          ? `${count(from + 1)} to ${count(Math.min(from + size, total))} of ${count(total)}`
          : `There are only ${count(total)}`}
      </span>
      {page < last && <a href={href(String(page + 1))}>Next</a>}
    </nav>
  )
}
