import { OFREPProvider } from '@openfeature/ofrep-provider'
import {
  OpenFeature,
  type Client,
  type EvaluationContext,
  type TrackingEventDetails,
} from '@openfeature/server-sdk'

/** A client of OpenFeature that reports who saw which variant, to the workspace below `url`. */
export async function reportingClient(
  { url, workspace, token }: { url: string; workspace: number; token: string },
  send: typeof fetch = fetch,
): Promise<Client> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
  const to = `${url}/platform/workspaces/${workspace}/experiments/exposures`
  const track = (event: string, context: EvaluationContext, details: TrackingEventDetails) => {
    if (event !== 'Experiment Viewed') return
    const seen = { experiment_id: details['experiment_id'], variant: details['variation_id'] }
    const exposures = [{ ...seen, participant_id: context.targetingKey }]
    send(to, { method: 'POST', headers, body: JSON.stringify({ exposures }) }).catch(console.error)
  }
  const provider = new OFREPProvider({ baseUrl: url, headers, fetchImplementation: send })
  await OpenFeature.setProviderAndWait(Object.assign(provider, { track }))
  const client = OpenFeature.getClient()
  return client.addHooks({
    after({ flagKey, context }, { reason, variant = '' }) {
      const details = { experiment_id: flagKey, variation_id: variant }
      if (reason === 'SPLIT') client.track('Experiment Viewed', context, details)
    },
  })
}
