import { Hono, type Context } from 'hono'
import type { Child } from 'hono/jsx'
import { sourceOf } from '../../../audiences/apply.ts'
import { getGroup, type Group } from '../../../experience/groups.ts'
import { cancelJob, publishJob } from '../../../experience/held.ts'
import { getJob, type GroupJob } from '../../../experience/jobs.ts'
import { invalid } from '../../../failure.ts'
import { listProblems, type JobProblem } from '../../../jobs/job-problems.ts'
import { hasEnded } from '../../../jobs/outcome.ts'
import { exportChanges } from '../../../experience/changes.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { csvFile } from '../csv-file.ts'
import { DeltaBar, type Delta } from './delta.tsx'
import { refusedForm } from '../errors.tsx'
import { form } from '../form.ts'
import { Cancel, Publish, Verdict } from './forms.tsx'
import { findPeople, JobPeople, type People } from './people.tsx'
import { Running } from './running.tsx'
import { effectOf, failureWords, JobStatus, nameOf } from './words.tsx'
import { pageNumber } from '../parts/page-links.tsx'
import { may, Page } from '../parts/page.tsx'
import { Facts, Section } from '../parts/blocks.tsx'
import { Refused, type FormError } from '../parts/fields.tsx'
import { Count, count, When } from '../parts/figures.tsx'
import { RefusedRows, refusedFile, size } from './refused-rows.tsx'
import { Undo } from '../groups/undo.tsx'
import { groupPath, jobPath } from '../paths.ts'

/** A refused form is answered with the page that it is from, and whom the job concerns. */
const deciding = ['groups:read', 'groups:write'] as const

/** One change of a group: running, to be checked, or what became of it. */
export const jobs = new Hono<Http>()
  .get('/:job', allows('groups:read'), async (c) => c.html(await jobPage(c, c.req.param('job'))))

  .post('/:job/publish', allows(deciding), form, async (c) => {
    const { res, workspace, form } = c.var
    const id = c.req.param('job')
    try {
      const expectedRemoved = numberOf(form.get('expectedRemoved') ?? '')
      await publishJob(res, workspace, id, { expectedRemoved, sourceOf })
      return c.redirect(jobPath(id), 303)
    } catch (error) {
      const refused = refusedForm(error, 'expectedRemoved')
      return c.html(await jobPage(c, id, refused.error), refused.status)
    }
  })

  .post('/:job/cancel', allows(deciding), form, async (c) => {
    const id = c.req.param('job')
    try {
      await cancelJob(c.var.res, c.var.workspace, id)
      return c.redirect(jobPath(id), 303)
    } catch (error) {
      const refused = refusedForm(error, 'main')
      return c.html(await jobPage(c, id, refused.error), refused.status)
    }
  })

  .get('/:job/changes.csv', allows('groups:read'), async (c) => {
    const id = c.req.param('job')
    const kind = c.req.query('kind') === 'removed' ? 'removed' : 'added'
    const from = { kind, after: '', fileFor: 'spreadsheet' } as const
    const file = await exportChanges(c.var.res, c.var.workspace, id, from)
    return csvFile(c, `${id}-${kind}`, file)
  })

  .get('/:job/refused.csv', allows('groups:read'), async (c) => {
    const job = await getJob(c.var.db, c.var.workspace, c.req.param('job'))
    return csvFile(c, `${job.id}-refused`, refusedFile(c, job))
  })

/** A number as people type it. */
function numberOf(text: string): number {
  const digits = text.replace(/[\s.,'’]/g, '')
  if (!/^\d{1,12}$/.test(digits)) throw invalid('expectedRemoved', 'must be a number')
  return Number(digits)
}

async function jobPage(c: Context<Http>, id: string, error?: FormError) {
  const { db, workspace } = c.var
  const job = await getJob(db, workspace, id)
  const page = pageNumber(c)
  const sort = { field: 'line', descending: false } as const
  const group = await getGroup(db, workspace, job.groupId)
  const [problems, waitsFor, people] = await Promise.all([
    listProblems(db, job, { page, size, sort }),
    job.waitsFor === null ? undefined : getJob(db, workspace, job.waitsFor),
    job.state === 'held' || isLive(job, group) ? findPeople(c, job) : undefined,
  ])
  return <JobPage {...{ c, job, group, problems, waitsFor, people, page, error }} />
}

interface JobPageProps {
  c: Context<Http>
  job: GroupJob
  group: Group
  problems: { items: JobProblem[]; total: number }
  /** The held job that stands before this one. */
  waitsFor: GroupJob | undefined
  people: People | undefined
  page: number
  error: FormError | undefined
}

function JobPage({ c, job, group, problems, ...more }: JobPageProps) {
  const { waitsFor, people, page, error } = more
  const { limits } = c.var.res
  return (
    <Page
      c={c}
      title={nameOf(job)}
      about={effectOf(job)}
      place="/console/groups"
      up={{ name: group.name, path: groupPath(group.id) }}
    >
      <Refused error={error} />
      <JobFacts c={c} job={job} />
      <State {...{ c, job, group, waitsFor }} />
      {people && <JobPeople job={job} people={people} />}
      {problems.total > 0 && (
        <RefusedRows {...{ job, ...problems, page, participantMax: limits.participantMax }} />
      )}
      {may(c, 'groups:write') && <Forms {...{ c, job, group, error }} />}
    </Page>
  )
}

function JobFacts({ c, job }: Pick<JobPageProps, 'c' | 'job'>) {
  const now = c.var.res.now()
  const read = `${count(job.rows)} read, ${count(job.badRows)} refused`
  return (
    <Facts
      of={[
        ['Status', <JobStatus job={job} />],
        ['Revision', <Count of={job.revision} />],
        ['By', <bdi>{job.createdBy}</bdi>],
        ['Started', <When at={job.createdAt} now={now} />],
        ...(job.source === 'participants-file' ? [['Rows', read] as [string, Child]] : []),
      ]}
    />
  )
}

/** What the job does, waits for, or has come to. */
function State({
  c,
  job,
  group,
  waitsFor,
}: Pick<JobPageProps, 'c' | 'job' | 'group' | 'waitsFor'>) {
  const { state, failure } = job
  if (state === 'failed' || state === 'cancelled')
    return (
      <div class={state === 'failed' ? 'note bad' : 'note'}>
        <p class="strong">{state === 'failed' ? 'Nothing was changed' : 'Cancelled'}</p>
        <p>{failureWords[failure ?? (state === 'failed' ? 'no-good-row' : 'cancelled')]}</p>
      </div>
    )
  if (state !== 'held' && !hasEnded(state)) return <Running job={job} waitsFor={waitsFor} />
  return (
    <Section title={state === 'held' ? 'What would change' : 'What has changed'}>
      <DeltaBar {...deltaOf(job, group)} refused={job.badRows} isDone={state !== 'held'} />
      {state === 'held' && <Verdict c={c} job={job} />}
    </Section>
  )
}

/** What can be done about the job. */
function Forms({ c, job, group, error }: Pick<JobPageProps, 'c' | 'job' | 'group' | 'error'>) {
  if (job.state === 'held') return <Publish {...{ c, job, group, error }} />
  if (!hasEnded(job.state)) return <Cancel c={c} job={job} />
  return isLive(job, group) && job.source !== 'erasure' ? (
    <Section title="Undo">
      <Undo c={c} group={group} />
    </Section>
  ) : (
    <></>
  )
}

/** Whether what the job has changed is the last that has changed its group. */
const isLive = ({ state, revision }: GroupJob, group: Group): boolean =>
  (state === 'successful' || state === 'partial') && revision === group.revision

/** A held one is of the group as it is; of an ended one, the live one alone tells who stayed. */
function deltaOf(job: GroupJob, group: Group): Delta {
  const { participantCount } = group
  const { added, removed } = job
  if (job.state === 'held') return { added, removed, stay: participantCount - removed }
  return { added, removed, stay: isLive(job, group) ? participantCount - added : undefined }
}
