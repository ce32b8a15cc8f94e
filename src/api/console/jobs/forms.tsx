import type { Context } from 'hono'
import type { Group } from '../../../experience/groups.ts'
import type { GroupJob } from '../../../experience/jobs.ts'
import { removesTooMany } from '../../../jobs/outcome.ts'
import { day } from '../../../time.ts'
import type { Http } from '../../http.ts'
import { verdictOf } from './delta.tsx'
import { Section } from '../parts/blocks.tsx'
import { FormToken, TextField, type FormError } from '../parts/fields.tsx'
import { count, plural, When } from '../parts/figures.tsx'
import { jobPath } from '../paths.ts'

interface PublishProps {
  c: Context<Http>
  job: GroupJob
  group: Group
  error: FormError | undefined
}

/** What the guard says of a held job, and how long that waits. */
export function Verdict({ c, job }: Pick<PublishProps, 'c' | 'job'>) {
  const { res } = c.var
  const until = job.updatedAt + res.limits.heldDays * day
  return (
    <div class={removesTooMany(job) ? 'note bad' : 'note'}>
      <p class="strong">{verdictOf(job)}</p>
      <p>
        Nobody sees any of it yet. You may leave this page: it waits here, later files of this group
        wait behind it, and it is cancelled by itself <When at={until} now={res.now()} />.
      </p>
    </div>
  )
}

/** The two ways on from a held job; the number that leaves is typed where the guard has stopped it. */
export function Publish({ c, job, group, error }: PublishProps) {
  const isStopped = removesTooMany(job)
  return (
    <Section title={isStopped ? 'Publish all the same, or cancel' : 'Publish or cancel'}>
      <form method="post" action={`${jobPath(job.id)}/publish`}>
        <FormToken c={c} />
        {isStopped ? (
          <TextField
            name="expectedRemoved"
            label="How many leave?"
            help={`Type ${count(job.removed)} if all of them are to leave ${group.name}.`}
            error={error}
            isRequired
          />
        ) : (
          <input type="hidden" name="expectedRemoved" value={String(job.removed)} />
        )}
        <div class="actions">
          <button class={isStopped ? 'danger' : 'main'}>{publishing(job)}</button>
          <button formaction={`${jobPath(job.id)}/cancel`} formnovalidate>
            Cancel, and change nothing
          </button>
        </div>
      </form>
    </Section>
  )
}

function publishing({ added, removed }: GroupJob): string {
  const changes = added + removed
  if (changes === 0) return 'Publish, though nothing changes'
  return changes === 1 ? 'Publish 1 change' : `Publish ${count(changes)} changes`
}

/** Ends a job that waits or runs; what removes people who are erased is not stopped. */
export const Cancel = ({ c, job }: { c: Context<Http>; job: GroupJob }) =>
  job.source === 'erasure' || job.state === 'undoing' ? (
    <></>
  ) : (
    <Section title="Cancel">
      <form method="post" action={`${jobPath(job.id)}/cancel`}>
        <FormToken c={c} />
        <p class="help">
          The group stays as it is, with its {plural(job.groupCount, 'participant')}.
        </p>
        <p>
          <button class="danger">Cancel this change</button>
        </p>
      </form>
    </Section>
  )
