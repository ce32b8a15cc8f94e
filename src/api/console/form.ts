import { createMiddleware } from 'hono/factory'
import { Failure } from '../../failure.ts'
import { boundedBody, textOf } from '../body.ts'
import type { Http } from '../http.ts'
import { fingerprintOf } from '../idempotent.ts'
import { answerOnce } from '../repeated.ts'
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

/** The field by which a form is known again that is sent twice. */
export const onceField = '_once'

/**
 * Answers a form that makes a secret once, however often it is sent: by two clicks, or by loading the
 * answer again. Stands after `form`. Throws `secret-lost` where the first answer is lost.
 */
export const once = (what: 'client' | 'webhook') =>
  createMiddleware<Http>((c, next) => {
    const fields = [...c.var.form].filter(([name]) => name !== formTokenField)
    const fingerprint = fingerprintOf(c, fields)
    return answerOnce(c, next, {
      key: c.var.form.get(onceField) || undefined,
      again: () => {
        throw new Failure({ reason: 'secret-lost', what, id: c.req.param('id') ?? '' })
      },
      ask: () => Promise.resolve({ fingerprint: () => fingerprint, read: async () => fingerprint }),
    })
  })
