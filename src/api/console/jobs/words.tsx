import type { Child } from 'hono/jsx'
import type { GroupJob } from '../../../experience/jobs.ts'
import { Status, type Tone } from '../parts/blocks.tsx'

/** What people call a job: its file, or what has opened it. */
export function nameOf(job: GroupJob): string {
  switch (job.source) {
    case 'participants-file':
      return job.fileName
    case 'audience':
      return `Sync of the audience ${job.audience}`
    case 'erasure':
      return 'Erasure of people'
    case 'revision-before':
      return `Undo of revision ${job.reverts}`
  }
}

/** What a type of change does, in a word. */
export const typeWords: Record<GroupJob['type'], string> = {
  add: 'Add',
  remove: 'Remove',
  replace: 'Replace',
  revert: 'Undo',
}

/** What a type of upload does. */
export const effects = {
  add: 'Everyone in the file joins. Nobody leaves.',
  remove: 'Everyone in the file leaves.',
  replace: 'The group becomes exactly this file. Whoever is not in it leaves.',
} as const

export function effectOf(job: GroupJob): string {
  switch (job.source) {
    case 'participants-file':
      return effects[job.type]
    case 'audience':
      return 'The group becomes exactly the users of the audience.'
    case 'erasure':
      return 'People who are erased leave.'
    case 'revision-before':
      return 'The group becomes what it was before its last change.'
  }
}

const stateWords: Record<GroupJob['state'], [tone: Tone, word: string]> = {
  waiting: ['wait', 'Waiting'],
  applying: ['wait', 'Running'],
  sweeping: ['wait', 'Running'],
  held: ['wait', 'To be checked'],
  undoing: ['wait', 'Being undone'],
  successful: ['good', 'Published'],
  partial: ['good', 'Published, rows refused'],
  failed: ['bad', 'Failed'],
  cancelled: ['none', 'Cancelled'],
}

export function JobStatus({ job: { state } }: { job: Pick<GroupJob, 'state'> }): Child {
  const [tone, word] = stateWords[state]
  return <Status tone={tone}>{word}</Status>
}

const nothing = 'The group is as it was before.'

/** Why a job has failed or is undone, what that means for the group, and what to do. */
export const failureWords: Record<NonNullable<GroupJob['failure']>, string> = {
  'no-good-row': `No row of the file could be read as an id. ${nothing} Mend the file, and upload it again.`,
  'mostly-bad': `So many rows were refused that this must be another file. ${nothing} Mend it, and upload it again.`,
  'not-text': `The file is not text. ${nothing} Save it as CSV in UTF-8, and upload that.`,
  header: `A header stands in the middle of the file. ${nothing}`,
  rule: `The rule of the audience could not be evaluated. ${nothing} Change the rule, and sync again.`,
  limit: `The groups of the workspace would have more participants than they may. ${nothing}`,
  'gave-up': `It could not be finished. ${nothing} Upload the file again.`,
  overtaken: `The group was changed again before this began. ${nothing} Look at that change first.`,
  'not-kept': `What the group was before is no longer kept. ${nothing} Upload a file of it.`,
  withdrawn: `The audience was detached or deleted meanwhile. ${nothing}`,
  cancelled: `It was cancelled. ${nothing}`,
}
