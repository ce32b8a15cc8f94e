import type { Context } from 'hono'
import type { Priced } from '../../../audiences/prices.ts'
import { nextRefresh } from '../../../audiences/refresh-period.ts'
import type { Group } from '../../../experience/groups.ts'
import type { GroupJob } from '../../../experience/jobs.ts'
import type { Http } from '../../http.ts'
import { hasEnded } from '../../../jobs/outcome.ts'
import { JobStatus } from '../jobs/words.tsx'
import { fillScopes } from './scopes.ts'
import { GroupField } from '../parts/choose-group.tsx'
import { may } from '../parts/page.tsx'
import { Section } from '../parts/blocks.tsx'
import { FormToken, type FormError } from '../parts/fields.tsx'
import { Count, When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { audiencePath, groupPath, jobPath } from '../paths.ts'

interface FilledGroupProps {
  c: Context<Http>
  audience: Priced
  groups: Group[]
  group: Group | undefined
  syncs: GroupJob[]
  error: FormError | undefined
}

/** The group that an audience fills: attach it, sync it, detach it. */
export const FilledGroup = (props: FilledGroupProps) => (
  <Section title="The group that it fills">
    {props.audience.group === null ? <Unattached {...props} /> : <Attached {...props} />}
  </Section>
)

function Unattached({ c, audience, groups, error }: FilledGroupProps) {
  if (!may(c, fillScopes)) return <p>It fills no group.</p>
  const free = groups.filter((group) => group.audience === null)
  return (
    <form method="post" action={`${audiencePath(audience.id)}/group`}>
      <FormToken c={c} />
      <p class="field">
        It fills no group. Attached to one, each sync makes the group exactly this audience: its
        users join, and whoever is not among them leaves. The group takes no files meanwhile.
      </p>
      <GroupField
        name="group"
        label="Group"
        help="Its name or its id."
        groups={free}
        value={c.req.method === 'POST' ? (c.var.form.get('group') ?? '') : ''}
        error={error}
        isRequired
      />
      <button>Attach to the group</button>
    </form>
  )
}

const moment = new Intl.DateTimeFormat('en-GB', {
  ...{ weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit' },
  timeZone: 'UTC',
})

/** A moment ahead: `ago` would call Monday tomorrow. */
const Moment = ({ at }: { at: number }) => (
  <time datetime={new Date(at).toISOString()}>{moment.format(at)} UTC</time>
)

function Attached(props: FilledGroupProps) {
  const { c, audience, group, syncs } = props
  const path = audiencePath(audience.id)
  const now = c.var.res.now()
  const next = nextRefresh(audience.refresh, now)
  return (
    <>
      <p>
        It fills{' '}
        <a class="strong" href={groupPath(audience.group ?? '')}>
          <bdi>{group?.name ?? audience.group}</bdi>
        </a>
        {group !== undefined && (
          <>
            , which has <Count of={group.participantCount} /> participants
          </>
        )}
        .{' '}
        {next === null ? (
          'It runs when you sync it.'
        ) : (
          <>
            It runs next on <Moment at={next} />.
          </>
        )}
      </p>
      {syncs.length > 0 && <Syncs syncs={syncs} now={now} />}
      {may(c, fillScopes) && (
        <div class="actions after">
          <form method="post" action={`${path}/sync`}>
            <FormToken c={c} />
            <span class="row">
              <button class="main" id="sync">
                Sync now
              </button>
              <button name="mode" value="preview">
                Preview a sync
              </button>
            </span>
          </form>
          <form method="post" action={`${path}/detach`}>
            <FormToken c={c} />
            <button>Detach from the group</button>
          </form>
          <small>
            A preview says who would join and leave, and waits until you publish or cancel it. A
            detached group keeps its participants, and takes files again.
          </small>
        </div>
      )}
    </>
  )
}

const Syncs = ({ syncs, now }: { syncs: GroupJob[]; now: number }) => {
  const goesOn = syncs.some(({ state }) => state !== 'held' && !hasEnded(state))
  return (
    <div id="syncs" class="after" data-live={goesOn ? '' : undefined}>
      <Table
        label="The last changes of the group"
        rows={syncs}
        columns={[
          {
            name: 'Change',
            cell: ({ id, createdAt }) => (
              <a href={jobPath(id)}>
                <When at={createdAt} now={now} />
              </a>
            ),
          },
          {
            name: 'Status',
            cell: (job) => <JobStatus job={job} />,
          },
          { name: 'Joined', isNumber: true, cell: ({ added }) => <Count of={added} /> },
          { name: 'Left', isNumber: true, cell: ({ removed }) => <Count of={removed} /> },
          { name: 'By', cell: ({ createdBy }) => <bdi>{createdBy}</bdi> },
        ]}
      />
    </div>
  )
}
