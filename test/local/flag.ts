import { OFREPProvider } from '@openfeature/ofrep-provider'
import { OpenFeature } from '@openfeature/server-sdk'

/**
 * Evaluates membership as an application does: `npx node test/local/flag.ts URL TOKEN GROUP
 * PARTICIPANT`.
 */
const [url = '', token = '', flag = '', targetingKey = ''] = process.argv.slice(2)
const headers = { Authorization: `Bearer ${token}` }
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: url, headers }))
const answer = await OpenFeature.getClient().getBooleanDetails(flag, false, { targetingKey })
console.log(`${flag} of ${targetingKey}: ${answer.value} (${answer.errorMessage ?? answer.reason})`)
