import type { Context } from 'hono'
import { Failure, type JobIs, type Reason } from '../../failure.ts'
import type { Http } from '../http.ts'
import { named, refusalOf } from '../refusal.ts'
import { setRateLimitHeaders } from '../rate-limit.ts'
import { Document } from './parts/page.tsx'
import type { FormError } from './parts/fields.tsx'
import { count } from './parts/figures.tsx'
import { placeIn } from './audiences/rule-words.ts'

type Status = 400 | 401 | 403 | 404 | 422 | 429 | 500 | 503

const whatNames: Record<string, string> = {
  flag: 'flag',
  run: 'recompute',
  definition: 'group definition',
  group: 'group',
}
const nameOf = (what: string) => whatNames[what] ?? what

const jobIs: Record<JobIs, string> = {
  'not-held': 'it is not held',
  waiting: 'it has not begun',
  running: 'it goes on',
  live: 'its changes are live already',
  superseded: 'a later change of the group is live',
  failed: 'it has failed',
  cancelled: 'it has been cancelled',
  'of-erasure': 'it removes people who are erased',
}

const irreversible = {
  'no-revision': 'there is none yet',
  erasure: 'it removed people who are erased',
}

const limited: Record<Extract<Reason, { reason: 'limit' }>['what'], string> = {
  definitions: 'group definitions',
  attributes: 'shared attributes',
  previews: 'previews of definitions within an hour',
  corrections: 'corrections',
  audiences: 'audiences',
  webhooks: 'webhooks',
  experiments: 'experiments',
  exposures: 'exposures',
  groups: 'groups',
  users: 'users',
  'user-attributes': 'attributes of a user',
  'profile-bytes': 'bytes of a profile',
  'waiting-bytes': 'bytes of files that wait',
  'open-uploads': 'uploads in pieces that are not complete',
}

/** What happened, and what to do: a status, and a sentence in plain words. */
export function sentenceOf(facts: Reason): [Status, string] {
  switch (facts.reason) {
    case 'unauthenticated':
      return [401, 'You are not signed in any more. Sign in, and try again.']
    case 'bad-credentials':
      return [401, 'This client id or secret is not right, or has expired.']
    case 'form-expired':
      return [403, 'This form is from another session. Nothing has changed: open the page again.']
    case 'forbidden':
      return [403, `Your client may not do this: it needs the scope ${facts.scope}.`]
    case 'other-workspace':
    case 'operation-unknown':
      return [404, 'There is no such page.']
    case 'not-found':
      return [404, `There is no ${nameOf(facts.what)} ${facts.id} any more, or there never was.`]
    case 'not-an-id':
      return [404, `${facts.id} is not the id of a group.`]
    case 'required':
      return [422, 'Fill this in.']
    case 'too-long':
      return [422, `This can have ${count(facts.max)} characters at most.`]
    case 'invalid':
      return [422, `This ${facts.problem}.`]
    case 'taken':
      return [422, `There is already a ${nameOf(facts.what)} called ${facts.name}.`]
    case 'limit':
      return [
        422,
        `There can be ${count(facts.max)} ${limited[facts.what]} at most, and that is reached.`,
      ]
    case 'rule-refused': {
      const place = placeIn(facts.pointer)
      if (facts.cost === undefined) return [422, `${place} ${facts.problem}.`]
      const { is, max } = facts.cost
      const tooDear = `The rule costs ${count(is)}, and may cost ${count(max)}.`
      return [422, `${place} takes the longest: make it simpler. ${tooDear}`]
    }
    case 'in-use':
      return [422, `It is used by ${named('audience', facts.by)}: change or delete that first.`]
    case 'in-experiments':
      return [422, `It is used by ${named('experiment', facts.by)}: end that first.`]
    case 'cycle':
      return [422, `The audience ${facts.audience} would fill the group that it depends on.`]
    case 'not-attached':
      return [422, `The audience ${facts.audience} fills no group: attach it to one first.`]
    case 'filled-by-audience':
      return [422, `The audience ${facts.name} fills this group: detach it before you upload.`]
    case 'user-missing':
      return [422, 'Name the person by an id.']
    case 'attribute-refused':
      return [422, `The attribute ${facts.name ?? ''} ${facts.problem}.`]
    case 'upload-type-missing':
    case 'upload-type-unknown':
      return [422, 'Choose what the file does: add, remove or replace.']
    case 'file-empty':
      return [422, 'This file is empty.']
    case 'file-content':
      return [
        422,
        `This is not a list of ids: it looks like ${facts.what}. Save it as CSV, and upload that.`,
      ]
    case 'file-too-large':
      return [422, `A file can have ${count(facts.max)} bytes at most.`]
    case 'file-type':
      return [
        422,
        `A file of type ${facts.contentType} is not a list of ids. Save it as CSV, and upload that.`,
      ]
    case 'jobs-waiting':
      return [422, 'Too many files or erasures wait already. Try again when one has ended.']
    case 'job-state': {
      const done = { publish: 'published', cancel: 'cancelled', list: 'looked into' }[facts.to]
      return [422, `This job cannot be ${done}: ${jobIs[facts.is]}.`]
    }
    case 'revision':
    case 'job-before':
      return [422, 'Somebody else changes this group. Look at it again, then decide.']
    case 'nothing-to-revert':
      return [422, `This change cannot be undone: ${irreversible[facts.why]}.`]
    case 'removal':
      return [422, `It would remove ${count(facts.removed)} people now. Read the numbers again.`]
    case 'out-of-time':
      return [503, 'This took too long. Try again in a minute.']
    case 'moving':
      return [503, 'This workspace is being moved. Nothing has changed: try again in a second.']
    case 'uploads-in-flight':
    case 'too-many-requests':
      return [429, 'Too much at once. Try again in a minute.']
    case 'secret-lost':
      return [400, `This is done, but the secret is lost. Give the ${facts.what} a new one.`]
    case 'idle':
    case 'cut-short':
      return [400, 'The file did not arrive completely. Nothing has changed: try again.']
    case 'too-large':
      return [400, `This is too large: it can have ${count(facts.max)} bytes at most.`]
    case 'move-state':
    case 'encoding':
    case 'malformed':
    case 'media-type':
    case 'header-invalid':
    case 'key-reused':
    case 'resumable':
    case 'two-credentials':
    case 'grant-unknown':
    case 'audience-unknown':
    case 'scope-not-held':
      return [400, 'The browser sent something that cannot be read. Open the page again.']
  }
}

/**
 * What is wrong with a form that is shown again, and its status; throws what is no fault of it.
 * `fields` gives the form's name of a field of ours.
 */
export function refusedForm(
  error: unknown,
  fallback: string,
  fields: Record<string, string> = {},
): { error: FormError; status: 422 } {
  if (!(error instanceof Failure)) throw error
  const [status, message] = sentenceOf(error.facts)
  if (status !== 422) throw error
  const given = 'field' in error.facts ? error.facts.field : fallback
  return { error: { field: fields[given] ?? given, message }, status }
}

export function onError(error: Error, c: Context<Http>): Response | Promise<Response> {
  const facts = refusalOf(error, c)
  const [status, message]: [Status, string] =
    facts === undefined
      ? [500, 'Something went wrong here. Nothing has changed; try again in a moment.']
      : sentenceOf(facts)
  if (facts !== undefined) setRateLimitHeaders(c, facts)
  return c.html(
    <Document title={status === 404 ? 'Not found' : 'That did not work'}>
      <main id="main" class="door">
        <h1>{status === 404 ? 'Not found' : 'That did not work'}</h1>
        <p class="about">{message}</p>
        <p>
          {status === 401 ? (
            <a href="/console/sign-in">Sign in</a>
          ) : (
            <a href="/console">To the console</a>
          )}
        </p>
      </main>
    </Document>,
    status,
  )
}
