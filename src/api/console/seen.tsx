import type { Context } from 'hono'
import { invalid } from '../../failure.ts'
import type { Http } from '../http.ts'

const field = '_seen'

/** Which state of a thing its form was made of; `at` is undefined where the form has come back. */
export function Seen({ c, at }: { c: Context<Http>; at: number | undefined }) {
  const seen = c.var.form?.get(field) ?? at
  return seen === undefined ? <></> : <input type="hidden" name={field} value={String(seen)} />
}

/** Throws `invalid` where somebody has changed a thing since its form was opened. */
export function checkSeen(c: Context<Http>, { updatedAt }: { updatedAt: number }): void {
  const seen = c.var.form.get(field)
  if (seen !== null && seen !== String(updatedAt))
    throw invalid('main', 'was changed meanwhile, and nothing of yours is saved. Open it again')
}
