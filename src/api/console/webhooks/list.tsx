import type { Context } from 'hono'
import type { Subscription } from '../../../webhooks/subscriptions.ts'
import type { Http } from '../../http.ts'
import { may, Page } from '../parts/page.tsx'
import { Empty } from '../parts/blocks.tsx'
import { When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { webhookPath } from '../paths.ts'
import { stateOf, typesOf } from './words.tsx'

interface WebhooksProps {
  c: Context<Http>
  webhooks: Subscription[]
  next: string | undefined
}

export function Webhooks({ c, webhooks, next }: WebhooksProps) {
  const now = c.var.res.now()
  return (
    <Page
      c={c}
      title="Webhooks"
      about="Addresses that are told what happens in this workspace, as it happens."
      action={
        may(c, 'webhooks:write') && (
          <a class="button main" href="/console/webhooks/new">
            New webhook
          </a>
        )
      }
    >
      {webhooks.length === 0 ? (
        <Empty title="There is no webhook yet">
          <p>
            A webhook sends events to an address of yours: a group has changed, a file has failed, a
            recompute has ended.
          </p>
        </Empty>
      ) : (
        <Table
          label="Webhooks"
          rows={webhooks}
          columns={[
            {
              name: 'Address',
              cell: ({ id, url }) => <a href={webhookPath(id)}>{url}</a>,
            },
            { name: 'For', cell: ({ description }) => <bdi>{description}</bdi> },
            { name: 'Sends', cell: typesOf },
            { name: 'State', cell: stateOf },
            { name: 'Last change', cell: ({ updatedAt }) => <When at={updatedAt} now={now} /> },
          ]}
        />
      )}
      {next !== undefined && (
        <p class="pages">
          <a href={`/console/webhooks?after=${encodeURIComponent(next)}`}>Next page</a>
        </p>
      )}
    </Page>
  )
}
