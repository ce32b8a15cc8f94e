import type { GroupJob } from '../../../experience/jobs.ts'
import { percentOf } from '../../../jobs/outcome.ts'
import { JobLink } from './link.tsx'
import { failureWords, nameOf } from './words.tsx'
import { Section } from '../parts/blocks.tsx'
import { plural } from '../parts/figures.tsx'

interface RunningProps {
  job: GroupJob
  /** The held job that stands before this one. */
  waitsFor: GroupJob | undefined
}

/** How far a job is; a browser shows it as it goes on. */
export const Running = ({ job, waitsFor }: RunningProps) => (
  <Section title="Progress">
    <div id="progress" data-live>
      {job.state === 'waiting' ? <Waiting waitsFor={waitsFor} /> : <Going job={job} />}
    </div>
    <p class="help">You may leave this page: the work goes on without it.</p>
    <noscript>
      <p class="help">Load the page again to see how far it is.</p>
    </noscript>
  </Section>
)

function Going({ job }: { job: GroupJob }) {
  const percent = percentOf(job, job.groupCount + job.touched)
  if (job.state === 'undoing')
    return <p>{failureWords[job.failure ?? 'gave-up']} What was written is being taken back.</p>
  return (
    <>
      <progress max="100" value={String(percent)} aria-label="Progress" />
      <p>
        {percent} %, {plural(job.rows, 'row')} read so far.
      </p>
    </>
  )
}

function Waiting({ waitsFor }: Pick<RunningProps, 'waitsFor'>) {
  if (waitsFor === undefined)
    return <p>It waits for its turn: changes of a group are made one after the other.</p>
  return (
    <p>
      It waits for <JobLink id={waitsFor.id} name={nameOf(waitsFor)} /> by{' '}
      <bdi>{waitsFor.createdBy}</bdi>, which is to be checked: somebody must publish or cancel that
      first.
    </p>
  )
}
