import { env } from 'cloudflare:workers'
import { createExecutionContext } from 'cloudflare:test'
import { describe, expect, it } from 'vitest'
import { app } from '../../src/api/app.ts'
import { said } from '../support/answers.ts'
import { call } from '../support/api.ts'

describe('GET /health', () => {
  it('says to anyone that the database answers', async () => {
    const answer = await call('/health')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await said(answer)).toEqual({ status: 'ok' })
    expect(answer.status).toBe(200)
  })

  it('says that it does not', async () => {
    const silent = {
      ...env,
      DB: {
        prepare: () => {
          throw new Error('D1_ERROR: secret inner words')
        },
      } as unknown as D1Database,
    }
    const answer = await app.fetch(
      new Request('https://coterie.test/health'),
      silent,
      createExecutionContext(),
    )
    expect(answer.status).toBe(503)
    expect(await answer.json()).toEqual({ status: 'down' })
  })
})

describe('a path that leads nowhere', () => {
  it('is refused in JSON', async () => {
    const answer = await call('/nowhere')
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
    expect(await said(answer)).toEqual({
      status: 404,
      error: 'not_found',
      error_description: 'There is no operation GET /nowhere',
    })
  })
})
