import type { Context } from 'hono'
import { getMemberAt } from '../../../experience/as-of.ts'
import { findChange, listChanges } from '../../../experience/changes.ts'
import type { GroupJob } from '../../../experience/jobs.ts'
import { Failure } from '../../../failure.ts'
import type { ChangeKind } from '../../../membership/changes.ts'
import type { Http } from '../../http.ts'
import { FindPerson } from '../parts/find-person.tsx'
import { Section } from '../parts/blocks.tsx'
import { count } from '../parts/figures.tsx'
import { jobPath } from '../paths.ts'

/** People of each list who are shown. */
const size = 10

/** Pages that they are looked for in. */
const pagesMost = 4

/** Whom a job concerns: some of them, and what it does to a person who was asked for. */
export interface People {
  added: string[]
  removed: string[]
  person: { id: string; is: ChangeKind | 'in' | 'out' } | undefined
}

/** Undefined where a later job has changed the group meanwhile, so that it cannot be told. */
export async function findPeople(c: Context<Http>, job: GroupJob): Promise<People | undefined> {
  const id = (c.req.query('person') ?? '').trim()
  try {
    const [added, removed, person] = await Promise.all([
      firstOf(c, job, 'added'),
      firstOf(c, job, 'removed'),
      id === '' ? undefined : personIn(c, job, id),
    ])
    return { added, removed, person }
  } catch (error) {
    if (error instanceof Failure && error.facts.reason === 'job-state') return undefined
    throw error
  }
}

/** The first of them, as far as a few pages tell: those of a large group are far apart. */
async function firstOf(c: Context<Http>, job: GroupJob, kind: ChangeKind): Promise<string[]> {
  const { db, workspace } = c.var
  const found: string[] = []
  let after: string | undefined = ''
  for (let page = 0; page < pagesMost && after !== undefined && found.length < job[kind]; page++) {
    const list = await listChanges(db, workspace, job.id, { kind, after, size })
    found.push(...list.participants)
    after = found.length < size ? list.next : undefined
  }
  return found.slice(0, size)
}

async function personIn(
  c: Context<Http>,
  job: GroupJob,
  id: string,
): Promise<NonNullable<People['person']>> {
  const { db, workspace } = c.var
  const change = await findChange(db, workspace, job.id, id)
  if (change !== undefined) return { id, is: change }
  const { member } = await getMemberAt(db, workspace, job.groupId, { participant: id })
  return { id, is: member ? 'in' : 'out' }
}

const words = {
  held: { added: 'joins.', removed: 'leaves.', in: 'stays.', out: 'is not in the group.' },
  done: { added: 'joined.', removed: 'left.', in: 'stayed.', out: 'was not in the group.' },
}

const titles = {
  held: { added: 'Who joins', removed: 'Who leaves' },
  done: { added: 'Who joined', removed: 'Who left' },
}

/** Whom a job concerns, and a way to ask for one of them. */
export function JobPeople({ job, people }: { job: GroupJob; people: People }) {
  const { person } = people
  const when = job.state === 'held' ? 'held' : 'done'
  return (
    <Section title={when === 'held' ? 'Who joins and leaves' : 'Who joined and left'}>
      <FindPerson
        path={jobPath(job.id)}
        placeholder="Is this person leaving?"
        found={person && { id: person.id, is: words[when][person.is] }}
      />
      <div class="cards">
        <Sample title={titles[when].removed} ids={people.removed} {...{ job, kind: 'removed' }} />
        <Sample title={titles[when].added} ids={people.added} {...{ job, kind: 'added' }} />
      </div>
    </Section>
  )
}

interface SampleProps {
  title: string
  ids: string[]
  job: GroupJob
  kind: ChangeKind
}

function Sample({ title, ids, job, kind }: SampleProps) {
  const more = job[kind] - ids.length
  return (
    <div class="card">
      <h3>{title}</h3>
      {ids.length === 0 ? (
        <p class="soft">{job[kind] === 0 ? 'Nobody' : 'They are in the file below.'}</p>
      ) : (
        <ul>
          {ids.map((id) => (
            <li>
              <bdi class="id">{id}</bdi>
            </li>
          ))}
        </ul>
      )}
      {more > 0 && <p class="soft">and {count(more)} more</p>}
      {job[kind] > 0 && (
        <p>
          <a href={`${jobPath(job.id)}/changes.csv?kind=${kind}`}>Download all of them</a>
        </p>
      )}
    </div>
  )
}
