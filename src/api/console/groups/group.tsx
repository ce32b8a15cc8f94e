import { Hono, type Context } from 'hono'
import { getMemberAt } from '../../../experience/as-of.ts'
import { exportGroup } from '../../../experience/export.ts'
import { getGroup, type Group } from '../../../experience/groups.ts'
import { listJobs, type GroupJob } from '../../../experience/jobs.ts'
import { listRevisions, recentCounts, type GroupRevision } from '../../../experience/revisions.ts'
import { hasEnded } from '../../../jobs/outcome.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { AudienceLink } from '../audiences/link.tsx'
import { csvFile } from '../csv-file.ts'
import { History, size } from './history.tsx'
import { usesOf, UsedBy, type Uses } from './uses.tsx'
import { Jobs } from '../jobs/table.tsx'
import { FindPerson } from '../parts/find-person.tsx'
import { hrefWith, PageLinks, pageNumber } from '../parts/page-links.tsx'
import { may, Page } from '../parts/page.tsx'
import { Facts, Section } from '../parts/blocks.tsx'
import { Count, When } from '../parts/figures.tsx'
import { groupPath } from '../paths.ts'

/** One group: what it is now, who is in it, and what has become of it. */
export const group = new Hono<Http>()
  .get('/:group', allows('groups:read'), async (c) => {
    const { db, replica, workspace } = c.var
    const id = c.req.param('group')
    const participant = (c.req.query('person') ?? '').trim()
    const page = pageNumber(c)
    const [found, revisions, counts, jobs, uses, member] = await Promise.all([
      getGroup(db, workspace, id),
      listRevisions(db, workspace, id, { page, size }),
      recentCounts(db, workspace, [id]),
      listJobs(db, workspace, id, newest({ page: 0, size })),
      usesOf(c, id),
      participant === '' ? undefined : getMemberAt(replica, workspace, id, { participant }),
    ])
    const is = member?.member === true ? 'is in this group.' : 'is not in this group.'
    const person = member && { id: participant, is }
    const shown = { group: found, revisions, counts: counts.get(id) ?? [], uses, person, page }
    const underWay = jobs.items.filter(({ state }) => !hasEnded(state))
    return c.html(<GroupPage {...{ c, ...shown, underWay }} />)
  })

  .get('/:group/jobs', allows('groups:read'), async (c) => {
    const { db, workspace } = c.var
    const page = pageNumber(c)
    const found = await getGroup(db, workspace, c.req.param('group'))
    const jobs = await listJobs(db, workspace, found.id, newest({ page, size }))
    const href = (page: string) => hrefWith(`${groupPath(found.id)}/jobs`, { page })
    return c.html(
      <Page
        c={c}
        title="Files and syncs"
        about="Everything that was to change this group, whatever became of it."
        up={{ name: found.name, path: groupPath(found.id) }}
      >
        <Jobs c={c} label="Files and syncs" jobs={jobs.items} />
        <PageLinks {...{ page, size, total: jobs.total, href }} />
      </Page>,
    )
  })

  .get('/:group/participants.csv', allows('groups:read'), async (c) => {
    const id = c.req.param('group')
    const fileFor = c.req.query('for') === 'spreadsheet' ? 'spreadsheet' : 'upload'
    const file = await exportGroup(c.var.res, c.var.workspace, id, { after: '', fileFor })
    return csvFile(c, id, file)
  })

const newest = (page: { page: number; size: number }) =>
  ({ ...page, sort: { field: 'createdAt', descending: true } }) as const

interface GroupPageProps {
  c: Context<Http>
  group: Group
  revisions: { items: GroupRevision[]; total: number }
  counts: number[]
  underWay: GroupJob[]
  uses: Uses
  person: { id: string; is: string } | undefined
  page: number
}

function GroupPage({ c, group, underWay, person, uses, ...history }: GroupPageProps) {
  const path = groupPath(group.id)
  const goesOn = underWay.some(({ state }) => state !== 'held')
  return (
    <Page
      c={c}
      title={group.name}
      about={group.description ?? 'A list of people that rollouts and experiments read.'}
      up={{ name: 'Groups', path: '/console/groups' }}
      action={
        may(c, 'groups:write') && (
          <>
            <a class="button" href={`${path}/settings`}>
              Settings
            </a>
            {group.audience === null && (
              <a class="button main" href={`${path}/upload`}>
                Upload a file
              </a>
            )}
          </>
        )
      }
    >
      <GroupFacts c={c} group={group} uses={uses} />
      {underWay.length > 0 && (
        <Section title="Under way">
          <div id="under-way" data-live={goesOn ? '' : undefined}>
            <Jobs c={c} label="Under way" jobs={underWay} />
          </div>
        </Section>
      )}
      <Section title="Is this person in?">
        <FindPerson path={path} placeholder="Id" found={person} />
      </Section>
      <History c={c} group={group} {...history} />
      <Section title="Used by">
        <UsedBy uses={uses} />
      </Section>
      <Section title="Download">
        <p class="help">One id a line. The download is recorded in the activity.</p>
        <p class="actions">
          <a class="button" href={`${path}/participants.csv`}>
            Download as CSV
          </a>
          <a class="button" href={`${path}/participants.csv?for=spreadsheet`}>
            Download for a spreadsheet
          </a>
        </p>
      </Section>
    </Page>
  )
}

function GroupFacts({ c, group, uses }: Pick<GroupPageProps, 'c' | 'group' | 'uses'>) {
  const now = c.var.res.now()
  const percent = group.maxRemovePercent ?? c.var.res.limits.maxRemovePercent
  return (
    <Facts
      of={[
        ['Participants', <Count of={group.participantCount} />],
        ['Last change', <When at={group.updatedAt} now={now} />],
        [
          'Filled by',
          group.audience === null ? (
            'Files'
          ) : (
            <AudienceLink c={c} id={group.audience} name={uses.filledBy} />
          ),
        ],
        ['Guard', percent === 100 ? 'None' : `At most ${percent} % may leave at once`],
      ]}
    />
  )
}
