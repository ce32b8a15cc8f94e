import { expect, it } from 'vitest'

it('the Worker reaches its own zone through the firewall alone', () => {
  expect(Cloudflare.compatibilityFlags['global_fetch_strictly_public']).toBe(true)
})
