import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OpenFeature, type Client } from '@openfeature/server-sdk'
import { bold } from './colour.ts'
import type { Stage } from './stage.ts'
import { uploaded } from './uploads.ts'

const flag = 'Early adopters'
const john = 'john-doe'

/** Chapter: an application evaluates a feature with its SDK; the flag is the group's name. */
export async function feature(stage: Stage): Promise<void> {
  const { url, token, expect } = stage
  console.log(
    bold(
      `An OpenFeature client requests for the flag "${flag}" of ${john}, and again once he is uploaded`,
    ),
  )
  const client = await flagsOf(url, token)

  const request = async (value: boolean, variant: string) => {
    // The default is what should not come, so that a failed evaluation shows.
    const answer = await client.getBooleanDetails(flag, !value, { targetingKey: john })
    console.log(`   ${flag} of ${john}: ${answer.value} (${answer.errorMessage ?? answer.reason})`)
    expect.compare<object>(`the flag of ${john}`, answer, {
      value,
      variant,
      reason: 'TARGETING_MATCH',
    })
  }
  await request(false, 'other')
  await uploaded(stage, `ADD ${john}`, 'ADD', [john], { rows: 1, added: 1, members: 90_004 })
  await request(true, 'member')
}

/** An OpenFeature client of the Worker. */
export async function flagsOf(url: string, token: string): Promise<Client> {
  const headers = { Authorization: `Bearer ${token}` }
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: url, headers }))
  return OpenFeature.getClient()
}
