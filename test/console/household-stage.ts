import { fireCron, mondayIn } from '../local/clock.ts'
import type { Desk } from './stage.ts'

export const elm = '12 Elm Street'

/** Jane, Joe and Mia at one address, who share an income; and Al by himself. */
export async function settle({ platform }: Desk): Promise<void> {
  await platform.define({
    id: 'household',
    description: 'People at one address',
    source_user_attribute: 'address',
    attributes: [
      { id: 'income', type: 'sum' },
      { id: 'gold', type: 'boolean_or' },
    ],
  })
  const people = {
    jane: { address: elm, income: 50_000, gold: true },
    joe: { address: elm, income: 45_000 },
    mia: { address: elm, income: 'none' },
    al: { address: '3 Oak Road', income: 10 },
  }
  for (const [user, attributes] of Object.entries(people))
    await platform.merge({ user, attributes })
}

/** Has households form, as if somebody had asked. */
export async function recompute({ platform }: Desk): Promise<void> {
  await platform.finished('household', (await platform.recompute('household')).id, 100)
}

/** Has a Monday come, this many weeks from now, and waits for its recompute. */
export async function monday({ url, platform }: Desk, weeks: number): Promise<void> {
  await fireCron(url, '0 3 * * MON', mondayIn(weeks))
  const [run] = await platform.runs('household')
  if (run !== undefined) await platform.finished('household', run.id, 100)
}

/** The path of a person's page. */
export const pageOf = (id: string): string => `/console/people?id=${encodeURIComponent(id)}`
