import { expect, it } from 'vitest'
import { personHash } from '../src/person-hash.ts'

const personKey = 'k'.repeat(32)

it('stands for one person of one workspace, under one key', () => {
  const of = personHash({ personKey }, 7, 'ann')
  // As `openssl dgst -sha256 -hmac` gives it for `7:ann`.
  expect(of).toBe('Znqy18Y6nNFG3k6c_U8VU_XWMnMVuf40LdAmM9_Dv5U')
  expect(personHash({ personKey }, 7, 'bob')).not.toBe(of)
  expect(personHash({ personKey }, 8, 'ann')).not.toBe(of)
  expect(personHash({ personKey: 'l'.repeat(32) }, 7, 'ann')).not.toBe(of)
})
