import { Hono, type Context } from 'hono'
import { getAudience, listAudiences, type Audience } from '../../../audiences/audiences.ts'
import type { Explained } from '../../../audiences/explain.ts'
import { explainAudience } from '../../../audiences/questions.ts'
import { Failure } from '../../../failure.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import * as wire from '../../platform/wire/audiences.ts'
import { userIdOf } from '../../platform/wire/users.ts'
import { questionLimited } from '../../rate-limit.ts'
import { groupsByName } from '../parts/choose-group.tsx'
import { refusedForm } from '../errors.tsx'
import { Page } from '../parts/page.tsx'
import { Section, Status } from '../parts/blocks.tsx'
import { Refused, type FormError } from '../parts/fields.tsx'
import { audiencePath, personPath } from '../paths.ts'
import { HeadInWords, namesOf, type Names } from './rule.tsx'
import { explainScopes } from './scopes.ts'
import { Short } from '../parts/value.tsx'

/** Whether somebody belongs to an audience, and why. */
export const audiencePerson = new Hono<Http>().get(
  '/:audience_id/person',
  allows(explainScopes),
  questionLimited,
  async (c) => {
    const { db, replica, workspace, res } = c.var
    const id = wire.idOf(c)
    const typed = c.req.query('id') ?? ''
    const [audience, others, groups] = await Promise.all([
      getAudience(db, workspace, id),
      listAudiences(replica, workspace),
      groupsByName(c),
    ])
    const shown = { c, audience, typed, names: namesOf(groups, others) }
    if (typed.trim() === '') return c.html(<Answer {...shown} />)
    try {
      const asker = { db: replica, workspace, limits: res.limits }
      const explained = await explainAudience(asker, id, userIdOf(typed, 'person'))
      return c.html(<Answer {...shown} explained={explained} />)
    } catch (error) {
      if (isUnknown(error)) return c.html(<Answer {...shown} />)
      const refused = refusedForm(error, 'person')
      return c.html(<Answer {...shown} error={refused.error} />, refused.status)
    }
  },
)

const isUnknown = (error: unknown) =>
  error instanceof Failure && error.facts.reason === 'not-found' && error.facts.what === 'user'

interface AnswerProps {
  c: Context<Http>
  audience: Audience
  typed: string
  names: Names
  /** Undefined where nobody is asked about, or known by the id. */
  explained?: Explained
  error?: FormError
}

function Answer({ c, audience, typed, names, explained, error }: AnswerProps) {
  return (
    <Page
      c={c}
      title="Is somebody in it?"
      about="By what is known of them now. The group follows at its next sync."
      up={{ name: audience.name, path: audiencePath(audience.id) }}
    >
      <Refused error={error} />
      <PersonForm audience={audience} typed={typed} />
      {typed.trim() !== '' && error === undefined && (
        <p role="status">
          <a href={personPath(typed)}>
            <bdi>{typed}</bdi>
          </a>{' '}
          {explained === undefined
            ? 'is not in it: nobody is known by this id.'
            : explained.result
              ? 'is in it.'
              : 'is not in it.'}
        </p>
      )}
      {explained && (
        <Section title="Why?">
          <ul class="tree">
            <Node node={explained} names={names} />
          </ul>
        </Section>
      )}
    </Page>
  )
}

/** Leads to the answer. */
export const PersonForm = ({ audience, typed }: { audience: Audience; typed?: string }) => (
  <form class="search" action={`${audiencePath(audience.id)}/person`}>
    <input
      id="person"
      name="id"
      aria-label="Id of a user"
      placeholder="Id of a user"
      value={typed}
      required
      autocomplete="off"
      autocapitalize="off"
      spellcheck={false}
    />
    <button>Explain</button>
  </form>
)

/** A part of the rule, whether it holds, what it saw, and the parts below it. */
function Node({ node, names }: { node: Explained; names: Names }) {
  const { rule, result, saw, inner = [], members } = node
  return (
    <li>
      <p>
        <Status tone={result ? 'good' : 'none'}>{result ? 'Yes' : 'No'}</Status>{' '}
        <HeadInWords rule={rule} names={names} />
      </p>
      {saw !== undefined && (
        <p class="help">{saw === null ? 'There is no value.' : <Saw value={saw} />}</p>
      )}
      {members?.length === 0 && <p class="help">There is no such household.</p>}
      {(inner.length > 0 || members !== undefined) && (
        <ul>
          {inner.map((one) => (
            <Node node={one} names={names} />
          ))}
          {members?.map(({ user, explained }) => (
            <li>
              <a href={personPath(user)}>
                <bdi>{user}</bdi>
              </a>
              <ul>
                <Node node={explained} names={names} />
              </ul>
            </li>
          ))}
        </ul>
      )}
    </li>
  )
}

const Saw = ({ value }: { value: NonNullable<Explained['saw']> }) => (
  <>
    It is <Short of={value} />.
  </>
)
