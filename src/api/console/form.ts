import { createMiddleware } from 'hono/factory'
import type { z } from 'zod'
import { Failure } from '../../failure.ts'
import { boundedBody, textOf } from '../body.ts'
import type { Http } from '../http.ts'
import { refusalOfShape } from '../valid.ts'
import { checkFormToken, formTokenField } from './session.ts'

/** The fields of a form that was sent; several of one name in their order. */
export type Form = URLSearchParams

/**
 * Reads a bounded form of a page of this session into `c.var.form`. Throws `media-type`, `too-large`
 * and `form-expired`.
 */
export const form = createMiddleware<Http>((c, next) =>
  boundedBody(c, async () => {
    const urlencoded = 'application/x-www-form-urlencoded'
    if (!(c.req.header('content-type') ?? '').startsWith(urlencoded))
      throw new Failure({ reason: 'media-type', allowed: [urlencoded] })
    const fields = new URLSearchParams(await textOf(c, 'form'))
    checkFormToken(c, fields.get(formTokenField) ?? '')
    c.set('form', fields)
    await next()
  }),
)

/** What was sent, as the shape of the API reads it. Throws `required`, `too-long`, `invalid`. */
export function shapeOf<Schema extends z.ZodType>(schema: Schema, sent: unknown): z.infer<Schema> {
  const read = schema.safeParse(sent)
  if (!read.success) throw refusalOfShape(read.error.issues[0], sent)
  return read.data
}
