import { createMiddleware } from 'hono/factory'
import { Failure } from '../../failure.ts'
import { boundedBody, textOf } from '../body.ts'
import type { Http } from '../http.ts'
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
