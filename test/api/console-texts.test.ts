import { expect, it } from 'vitest'
import { scopes } from '../../src/access/scopes.ts'
import { said } from '../support/answers.ts'
import { newClient } from '../support/api.ts'
import { signIn, visit } from '../support/console.ts'
import { household, Team } from '../support/identity.ts'

it('cuts a long text between characters, wherever it begins', async () => {
  const team = await Team.open([...scopes])
  const { cookie } = await signIn(await newClient([...scopes], team.workspace))
  await team.define(household)
  for (const before of ['', '.']) {
    const attributes = Array.from({ length: 10 }, (_, i) => ({
      id: `${before}${'🦉'.repeat(220)}${i}`,
      type: 'latest',
    }))
    await said(team.send('PUT', '/groups/household', { attributes }))
    const { events } = await team.get<{ events: { id: string }[] }>(
      '/events?types=definition.updated&order=newest',
    )
    const id = `owls${before.length}`
    const value = `${before}${'🦉'.repeat(2400)}`
    await team.audience(id, { operator: 'equals', attribute: 'bird', value })
    for (const path of [`activity/events/${events[0]?.id ?? ''}`, `audiences/${id}`]) {
      const page = await (await visit(`/console/${path}`, cookie)).text()
      expect(page).toContain('🦉🦉')
      expect(page).not.toContain('\uFFFD')
    }
  }
})
