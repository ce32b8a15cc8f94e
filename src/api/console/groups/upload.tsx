import { Hono, type Context } from 'hono'
import { getGroup, type Group } from '../../../experience/groups.ts'
import { receiveUpload } from '../../../experience/upload.ts'
import { Failure } from '../../../failure.ts'
import type { UploadPart } from '../../../jobs/upload.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { finishAlways, uploadParts } from '../../upload.ts'
import { refusedForm } from '../errors.tsx'
import { effects } from '../jobs/words.tsx'
import { Page, Script } from '../parts/page.tsx'
import { Field, FormToken, Refused, type FormError } from '../parts/fields.tsx'
import { plural } from '../parts/figures.tsx'
import { checkFormToken, formTokenField } from '../session.ts'
import { groupPath, jobPath } from '../paths.ts'

/** A file that changes a group: chosen, then sent to be checked before anybody sees a change. */
export const upload = new Hono<Http>()
  .get('/:group/upload', allows('groups:write'), async (c) => {
    const group = await getGroup(c.var.db, c.var.workspace, c.req.param('group'))
    return c.html(<Upload c={c} group={group} sent={new Map()} />)
  })

  .post('/:group/upload', allows('groups:write'), finishAlways, async (c) => {
    const { res, workspace, db } = c.var
    const id = c.req.param('group')
    const form = new SentForm(c)
    try {
      const { id: job } = await receiveUpload(res, workspace, id, {
        createdBy: res.actor.name,
        parts: form.parts(),
      })
      return c.redirect(jobPath(job), 303)
    } catch (error) {
      const refused = refusedForm(error, isOfType(error) ? 'type' : 'file', { fileName: 'file' })
      await form.readOn()
      const group = await getGroup(db, workspace, id)
      const shown = { group, sent: form.fields, error: refused.error }
      return c.html(<Upload c={c} {...shown} />, refused.status)
    }
  })

const isOfType = (error: unknown) =>
  error instanceof Failure && error.facts.reason.startsWith('upload-type')

/** Bytes of a refused file that are read on: browsers show no answer before they have sent all. */
const readOnMost = 32 * 1024 * 1024

/** A form of this session with a file, which is always checked before it goes live. */
class SentForm {
  readonly fields = new Map<string, string>()
  readonly #c: Context<Http>
  #rest: AsyncGenerator<UploadPart> | undefined

  constructor(c: Context<Http>) {
    this.#c = c
  }

  /** Throws `form-expired` where the token does not stand before the file, and as `uploadParts`. */
  async *parts(): AsyncGenerator<UploadPart> {
    const query = { fileName: '', mode: 'preview' }
    const parts = uploadParts(this.#c.req.raw, query, this.#c.var.res.limits)
    let isChecked = false
    for (let next = await parts.next(); next.done !== true; next = await parts.next()) {
      const part = next.value
      if ('field' in part && part.field === formTokenField) {
        checkFormToken(this.#c, part.value)
        isChecked = true
        this.#rest = parts
        continue
      }
      if ('file' in part && !isChecked) break
      this.#keep(part)
      yield part
    }
    if (!isChecked) throw new Failure({ reason: 'form-expired' })
  }

  /** Reads what follows where the file was refused, as its form is shown again. */
  async readOn(): Promise<void> {
    let bytes = 0
    try {
      for await (const part of this.#rest ?? []) {
        this.#keep(part)
        if ('bytes' in part && (bytes += part.bytes.length) > readOnMost) return
      }
    } catch {
      // What cannot be read has no more fields.
    }
  }

  #keep(part: UploadPart): void {
    if ('field' in part) this.fields.set(part.field, part.value)
  }
}

interface UploadProps {
  c: Context<Http>
  group: Group
  /** The fields that were sent. */
  sent: ReadonlyMap<string, string>
  error?: FormError
}

function Upload({ c, group, sent, error }: UploadProps) {
  const path = groupPath(group.id)
  return (
    <Page
      c={c}
      title="Upload a file"
      about="Nothing changes yet: first you see who would join and who would leave."
      up={{ name: group.name, path }}
    >
      <Refused error={error} />
      {group.audience === null ? (
        <UploadForm {...{ c, group, sent, error }} />
      ) : (
        <div class="note wait">
          <p class="strong">An audience fills this group</p>
          <p>Its next sync would undo what a file changes. Detach the audience first.</p>
        </div>
      )}
    </Page>
  )
}

function UploadForm({ c, group, sent, error }: Omit<UploadProps, 'error'> & Errors) {
  return (
    <form
      method="post"
      action={`${groupPath(group.id)}/upload`}
      encType="multipart/form-data"
      data-upload
      data-participant-max={c.var.res.limits.participantMax}
    >
      <Script name="upload" />
      <FormToken c={c} />
      <h2>Choose the file</h2>
      <div class="drop">
        <Field
          name="file"
          label="File"
          help="CSV or plain text with one id a line, also packed by gzip. You may drop it here."
          error={error}
        >
          <input
            id="file"
            name="file"
            type="file"
            required
            accept=".csv,.tsv,.txt,.gz,text/csv,text/plain"
            aria-describedby={error?.field === 'file' ? 'file-help file-wrong' : 'file-help'}
          />
        </Field>
        <FirstRow chosen={sent.get('header')} />
        <div id="looks" aria-live="polite"></div>
      </div>
      <h2>Say what it does</h2>
      <Effects {...{ group, error }} chosen={sent.get('type')} />
      <button class="main">Check the changes</button>
      <div id="sending" role="status"></div>
    </form>
  )
}

interface Errors {
  error?: FormError | undefined
}

const firstRows = [
  ['auto', 'Decide by its words'],
  ['present', 'It names the columns'],
  ['absent', 'It is a person'],
] as const

const FirstRow = ({ chosen }: { chosen: string | undefined }) => (
  <Field name="header" label="The first row">
    <select id="header" name="header">
      {firstRows.map(([value, text]) => (
        <option value={value} selected={value === chosen}>
          {text}
        </option>
      ))}
    </select>
  </Field>
)

const names = { add: 'Add', remove: 'Remove', replace: 'Replace' } as const
const types = ['add', 'remove', 'replace'] as const

function Effects({ group, chosen, error }: Errors & { group: Group; chosen: string | undefined }) {
  const now = `Now ${plural(group.participantCount, 'participant')} ${group.participantCount === 1 ? 'is' : 'are'} in.`
  return (
    <fieldset>
      <legend class="hidden">What the file does</legend>
      {error?.field === 'type' && <p class="wrong">{error.message}</p>}
      <div class="cards">
        {types.map((type, i) => (
          <label class="card">
            <input
              id={i === 0 ? 'type' : undefined}
              type="radio"
              name="type"
              value={type}
              required
              checked={chosen?.toLowerCase() === type}
            />{' '}
            <b>{names[type]}</b>
            <span class="help">
              {effects[type]}
              {type === 'replace' && ` ${now}`}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
