import type { Client } from '@openfeature/server-sdk'
import { beforeAll, describe, expect, it } from 'vitest'
import { call, newClient, tokenOf, type Json } from '../support/api.ts'
import { Lab } from '../support/experiments.ts'
import readme from '../../src/README.md?raw'
import { reportingClient } from '../support/exposure-hook.ts'
import source from '../support/exposure-hook.ts?raw'
import { storedExposures } from '../support/exposures.ts'
import { allWritten } from '../support/taken.ts'

const url = 'https://coterie.test'

it('is the hook that src/README shows', () => {
  const [, shown = ''] = /```ts\n(client\.addHooks[^]*?)```/.exec(readme) ?? []
  const lines = (text: string) => text.trim().split(/\n\s*/)
  expect(lines(source).join('\n')).toContain(lines(shown).join('\n'))
})

describe('the server SDK of OpenFeature with a hook that reports exposures', () => {
  let lab: Lab
  let client: Client
  /** Requests under way, and whether those of exposures are lost. */
  const requests = new Set<Promise<Response>>()
  let isDown = false

  const send: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const { method, headers } = request
    if (isDown && request.url.endsWith('/exposures')) throw new Error('the network is down')
    const body = await request.text()
    const answer = call(request.url.slice(url.length), { method, headers, body })
    requests.add(answer)
    return answer
  }
  const settled = async () => {
    await scheduler.wait(0) // until what the hook sends has begun
    await Promise.all(requests)
    await allWritten()
    const { rows } = await storedExposures(lab.team.workspace)
    return rows.map(({ id, who, variant }) => ({ id, who, variant }))
  }

  beforeAll(async () => {
    lab = await Lab.open()
    const { workspace } = lab.team
    await lab.running('button')
    await lab.running('size', {
      variants: [
        { id: 'small', weight: 0, value: 1, forced: ['tess'] },
        { id: 'large', weight: 10_000, value: 2 },
      ],
      traffic: 0,
    })
    const token = await tokenOf(await newClient(['flags:evaluate'], workspace))
    client = await reportingClient({ url, workspace, token }, send)
  })

  it('reports each participant who was drawn, once, with the variant they got', async () => {
    const people = ['ann', 'bob', 'cid', 'dan']
    const got: Json[] = []
    for (const who of [...people, ...people]) {
      const { variant, value } = await client.getStringDetails('button', 'none', {
        targetingKey: who,
      })
      expect(value).toBe(variant)
      if (got.length < people.length) got.push({ id: 'button', who, variant })
    }
    expect(await settled()).toEqual(got)
  })

  it('reports nobody who is forced, takes no part, or is in a group', async () => {
    const before = await settled()
    await lab.group(['eve'], 'night owls')
    expect(await client.getNumberValue('size', 0, { targetingKey: 'tess' })).toBe(1)
    expect(await client.getNumberValue('size', 0, { targetingKey: 'eve' })).toBe(1)
    expect(await client.getBooleanValue('night owls', false, { targetingKey: 'eve' })).toBe(true)
    expect(await client.getStringValue('unknown', 'none', { targetingKey: 'eve' })).toBe('none')
    expect(await settled()).toEqual(before)
  })

  it('reports what an application tracks, and only that event', async () => {
    const before = await settled()
    const details = { experiment_id: 'button', variation_id: 'control' }
    client.track('Checkout Started', { targetingKey: 'fay' }, details)
    client.track('Experiment Viewed', { targetingKey: 'gus' }, details)
    expect(await settled()).toEqual([...before, { id: 'button', who: 'gus', variant: 'control' }])
  })

  it('evaluates as before where its reports are lost', async () => {
    const before = await settled()
    isDown = true
    const { value, errorCode } = await client.getStringDetails('button', 'none', {
      targetingKey: 'ivy',
    })
    isDown = false
    expect(['control', 'treatment']).toContain(value)
    expect(errorCode).toBeUndefined()
    expect(await settled()).toEqual(before)
  })
})
