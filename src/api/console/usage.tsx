import { Hono, type Context } from 'hono'
import { findUsage, type Usage } from '../../usage.ts'
import { allows } from '../bearer.ts'
import type { Http } from '../http.ts'
import { Page } from './parts/page.tsx'
import { Section } from './parts/blocks.tsx'
import { Count, count } from './parts/figures.tsx'
import { Table } from './parts/table.tsx'

/** What the workspace has, beside what it may have. */
export const usage = new Hono<Http>().get('/', allows('groups:read'), async (c) => {
  const { replica, workspace, res } = c.var
  return c.html(<Figures c={c} usage={await findUsage(replica, workspace, res.limits)} />)
})

const names: Record<string, string> = {
  groups: 'Groups',
  members: 'Participants of all groups together',
  users: 'Users',
  definitions: 'Group definitions',
  audiences: 'Audiences',
  webhooks: 'Webhooks',
  experiments: 'Experiments',
  exposures: 'Exposures to all experiments',
  unended_jobs: 'Files that wait or are being applied',
  waiting_bytes: 'Size of files that wait',
  user_attributes: 'Attributes of a user',
  profile_bytes: 'Size of the attributes of a user',
}
const nameOf = (figure: string) => new Map(Object.entries(names)).get(figure) ?? figure

function Figures({ c, usage }: { c: Context<Http>; usage: Usage }) {
  const figures = Object.entries(usage).map(([figure, one]) => ({ ...one, name: nameOf(figure) }))
  const used = figures.flatMap(({ used, ...one }) => (used === null ? [] : [{ ...one, used }]))
  return (
    <Page
      c={c}
      title="Usage"
      about="What this workspace has, and what it may have. More is refused; nothing is lost."
      action={
        <a class="button" href="/console/settings">
          Settings
        </a>
      }
    >
      <Table
        label="Usage"
        rows={used}
        columns={[
          { name: 'What', cell: ({ name }) => name },
          {
            name: 'Has',
            isNumber: true,
            cell: ({ used, name }) => <Amount of={used} name={name} />,
          },
          {
            name: 'May have',
            isNumber: true,
            cell: ({ cap, name }) => <Amount of={cap} name={name} />,
          },
          { name: 'Share', cell: (one) => <Share {...one} /> },
        ]}
      />
      <Section title="Of each user">
        <Table
          label="Of each user"
          rows={figures.filter(({ used }) => used === null)}
          columns={[
            { name: 'What', cell: ({ name }) => name },
            {
              name: 'May have',
              isNumber: true,
              cell: ({ cap, name }) => <Amount of={cap} name={name} />,
            },
          ]}
        />
      </Section>
    </Page>
  )
}

const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']

/** A number, or a size in the largest unit of which there is one. */
function Amount({ of, name }: { of: number; name: string }) {
  if (!name.startsWith('Size')) return <Count of={of} />
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(of, 1)) / 10))
  return (
    <span class="count" title={`${count(of)} bytes`}>
      {count(Math.round((of / 1024 ** power) * 10) / 10)} {units[power]}
    </span>
  )
}

const nearly = 80

/** A bar, and the same in words. */
function Share({ used, cap }: { used: number; cap: number }) {
  const percent = cap === 0 ? 100 : Math.min(100, (100 * used) / cap)
  const words = percent > 0 && percent < 1 ? 'under 1 %' : `${count(Math.floor(percent))} %`
  return (
    <span class="share">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <rect class="rest" width="100" height="8" />
        <rect class={percent >= nearly ? 'bad' : 'a'} width={percent} height="8" />
      </svg>
      <span class="count">{words}</span>
      {percent >= nearly && <b>{percent === 100 ? 'full' : 'nearly full'}</b>}
    </span>
  )
}
