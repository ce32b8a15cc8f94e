import type { Context } from 'hono'
import { listAudiences } from '../../../audiences/audiences.ts'
import { groupsIn } from '../../../audiences/rule.ts'
import { listExperiments } from '../../../experiments/experiments.ts'
import { listWebhooks } from '../../../webhooks/subscriptions.ts'
import type { Http } from '../../http.ts'
import { may } from '../parts/page.tsx'

/** What fills a group, and what reads it, as far as the reader may see it. */
export interface Uses {
  /** The name of the audience that fills it; null also where it may not be read. */
  filledBy: string | null
  by: { what: string; name: string; path: string }[]
}

/** Shown of each kind. */
const shownMost = 20

export async function usesOf(c: Context<Http>, group: string): Promise<Uses> {
  const { replica, workspace } = c.var
  const [audiences, experiments, webhooks] = await Promise.all([
    may(c, 'audiences:read') ? listAudiences(replica, workspace) : [],
    may(c, 'experiments:read') ? listExperiments(replica, workspace) : [],
    may(c, 'webhooks:read') ? listWebhooks(replica, workspace, { after: '', size: 100 }) : [],
  ])
  const filledBy = audiences.find((one) => one.group === group)?.name ?? null
  const by = [
    ...experiments.filter((one) => one.group === group).map(as('Experiment', 'experiments')),
    ...audiences
      .filter(({ rule }) => groupsIn(rule).includes(group))
      .map(as('Audience', 'audiences')),
    ...webhooks
      .filter(({ eventTypes }) => eventTypes?.includes('group.participants.changed') ?? true)
      .slice(0, shownMost)
      .map(({ id, url }) => as('Webhook', 'webhooks')({ id, name: url })),
  ]
  return { filledBy, by }
}

const as = (what: string, place: string) => (one: { id: string; name: string }) => ({
  what,
  name: one.name,
  path: `/console/${place}/${encodeURIComponent(one.id)}`,
})

export const UsedBy = ({ uses: { by } }: { uses: Uses }) =>
  by.length === 0 ? (
    <p class="soft">No experiment, audience or webhook uses this group.</p>
  ) : (
    <ul>
      {by.map(({ what, name, path }) => (
        <li>
          {what}{' '}
          <a href={path}>
            <bdi>{name}</bdi>
          </a>
        </li>
      ))}
    </ul>
  )
