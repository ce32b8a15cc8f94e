import { sweepClientSecrets } from './access/clients.ts'
import { sweepSessions } from './access/console-sessions.ts'
import { sweepRevocations } from './access/revocations.ts'
import { refreshDue } from './audiences/refresh.ts'
import { makeDigests } from './audit/make-digests.ts'
import { enqueueStalledErasures } from './erasure/stalled.ts'
import { sweepErasures } from './erasure/sweep.ts'
import { enqueueDueBalances } from './experiments/due-balances.ts'
import { enqueueStalledBalances, enqueueStalledExperiments } from './experiments/stalled.ts'
import { sweepKeys } from './idempotency/keys.ts'
import { enqueueBusyGroups, enqueueQuietGroups } from './experience/prune.ts'
import { enqueueStalled } from './experience/stalled.ts'
import { beginMissedWeek, enqueueStalledRuns } from './identity/stalled.ts'
import { enqueueStalledMarks, tellRefreshed } from './identity/refreshed.ts'
import { sweepPreviews } from './identity/previews.ts'
import { sweepRuns } from './identity/sweep.ts'
import { beginWeek } from './identity/monday.ts'
import { enqueueStalledMoves } from './moving/stalled.ts'
import { deliverDue } from './webhooks/due.ts'
import { sweepEvents } from './webhooks/sweep.ts'
import { sweepWebhookSecrets } from './webhooks/sweep-secrets.ts'
import { measureState } from './jobs/state.ts'
import { sweepFiles } from './jobs/sweep-files.ts'
import { sweepUploads } from './jobs/sweep-uploads.ts'
import { sweepJobs } from './jobs/sweep.ts'
import { faultOf } from './failure.ts'
import type { CronMessage } from './messages.ts'
import type { Resources } from './resources.ts'

/** Does what a cron does on the shard at hand. */
export async function runCron(
  res: Resources,
  { cron, at }: Pick<CronMessage, 'cron' | 'at'>,
): Promise<void> {
  if (cron === '0 3 * * MON') return beginWeek(res, at)
  if (cron === '* * * * *')
    return inTurn(cron, {
      deliverDue: () => deliverDue(res),
      enqueueDueBalances: () => enqueueDueBalances(res),
      enqueueStalledMarks: () => enqueueStalledMarks(res),
      tellRefreshed: () => tellRefreshed(res),
    })
  const daily = cron === '0 4 * * *'
  await inTurn(cron, {
    enqueueStalled: () => enqueueStalled(res),
    enqueueStalledRuns: () => enqueueStalledRuns(res),
    beginMissedWeek: () => beginMissedWeek(res),
    enqueueStalledErasures: () => enqueueStalledErasures(res),
    enqueueStalledExperiments: () => enqueueStalledExperiments(res),
    enqueueStalledBalances: () => enqueueStalledBalances(res),
    enqueueStalledMoves: () => enqueueStalledMoves(res),
    enqueueQuietGroups: () => enqueueQuietGroups(res),
    sweepEvents: () => sweepEvents(res),
    sweepJobs: () => sweepJobs(res),
    sweepRuns: () => sweepRuns(res),
    sweepPreviews: () => sweepPreviews(res),
    sweepUploads: () => sweepUploads(res),
    sweepRevocations: () => sweepRevocations(res),
    sweepKeys: () => sweepKeys(res),
    sweepClientSecrets: () => sweepClientSecrets(res),
    sweepSessions: () => sweepSessions(res),
    sweepWebhookSecrets: () => sweepWebhookSecrets(res),
    ...(daily
      ? {
          sweepFiles: () => sweepFiles(res),
          enqueueBusyGroups: () => enqueueBusyGroups(res),
          sweepErasures: () => sweepErasures(res),
        }
      : { measureState: () => measureState(res) }),
    makeDigests: () => makeDigests(res, { begins: daily }),
    // Last, as it goes on for as long as the invocation may.
    refreshDue: () => refreshDue(res, at),
  })
}

/** Runs the parts of a cron, each also if the one before fails. */
async function inTurn(cron: string, parts: Record<string, () => Promise<void>>): Promise<void> {
  for (const [part, run] of Object.entries(parts))
    await run().catch((error: unknown) =>
      console.error(JSON.stringify({ event: 'cron-failed', cron, part, ...faultOf(error) })),
    )
}
