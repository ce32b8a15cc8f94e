import { Hono, type Context } from 'hono'
import { correct, takeBack } from '../../../identity/correct.ts'
import { correctionOf, listCorrections, type CorrectionRow } from '../../../identity/corrections.ts'
import { canonical } from '../../../text.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { CorrectionDraft, correctionIn, reasonIn } from '../../platform/wire/corrections.ts'
import { userIdOf } from '../../platform/wire/users.ts'
import { refusedForm } from '../errors.tsx'
import { form, type Form } from '../form.ts'
import { may, Page } from '../parts/page.tsx'
import { Empty, Section } from '../parts/blocks.tsx'
import { FormToken, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { correctionsPath, definitionPath, personPath } from '../paths.ts'
import { Belongs } from '../people/households.tsx'
import { shaped } from '../shape.ts'
import { Text } from '../parts/value.tsx'

const correctionsOfPage = 50

/** Who changes them says something of users and of groups. */
export const correcting = ['users:read', 'users:write', 'groups:write'] as const

type Of = Context<Http, '/:definition/corrections'>

const idOf = (c: Of): string => canonical(c.req.param('definition'))

/** What is said by hand of who belongs with whom: a list, and forms to say it and to take it back. */
export const corrections = new Hono<Http>()
  .get('/:definition/corrections', allows('users:read'), async (c) =>
    c.html(<CorrectionsPage {...await pageOf(c)} typed={{ user: c.req.query('user') ?? '' }} />),
  )

  .post('/:definition/corrections', allows(correcting), form, async (c) => {
    const typed = typedIn(c.var.form)
    try {
      const { reason, ...place } = shaped(CorrectionDraft, draftOf(typed))
      await correct(c.var.res, c.var.workspace, idOf(c), {
        user: userIdOf(typed.user, 'user'),
        correction: correctionIn(place),
        reason: reasonIn(reason),
      })
      return c.redirect(correctionsPath(idOf(c)), 303)
    } catch (error) {
      const fields = { with: 'whom', value: 'whom', alone: 'user' }
      const refused = refusedForm(error, 'user', fields)
      const page = { ...(await pageOf(c)), typed, error: refused.error }
      return c.html(<CorrectionsPage {...page} />, refused.status)
    }
  })

  .post('/:definition/corrections/back', allows(correcting), form, async (c) => {
    const user = userIdOf(c.var.form.get('user') ?? '', 'user')
    const definition = canonical(c.req.param('definition'))
    await takeBack(c.var.res, c.var.workspace, definition, user)
    return c.redirect(correctionsPath(definition), 303)
  })

/** What stands in the fields of the form. */
interface Typed {
  user: string
  place?: string
  whom?: string
  reason?: string
}

const typedIn = (fields: Form): Required<Typed> => ({
  user: fields.get('user') ?? '',
  place: fields.get('place') ?? '',
  whom: fields.get('whom') ?? '',
  reason: fields.get('reason') ?? '',
})

const draftOf = ({ place, whom, reason }: Required<Typed>) =>
  place === 'alone' ? { alone: true, reason } : { [place]: whom, reason }

async function pageOf(c: Of): Promise<Omit<PageProps, 'typed'>> {
  const { after = '' } = c.req.query()
  const query = { after, size: correctionsOfPage }
  const rows = await listCorrections(c.var.db, c.var.workspace, idOf(c), query)
  return { c, definition: idOf(c), rows, after }
}

interface PageProps {
  c: Context<Http>
  definition: string
  rows: CorrectionRow[]
  after: string
  typed: Typed
  error?: FormError
}

function CorrectionsPage({ c, definition, rows, after, typed, error }: PageProps) {
  const path = correctionsPath(definition)
  const last = rows.length < correctionsOfPage ? undefined : rows.at(-1)
  return (
    <Page
      c={c}
      title="Corrections"
      about="Who belongs with whom, although what is known of them says otherwise."
      up={{ name: definition, path: definitionPath(definition) }}
    >
      <Refused error={error} />
      {rows.length === 0 ? (
        <Empty title={after === '' ? 'Nothing is corrected' : 'No more corrections'}>
          <p>Everybody belongs where the shared attribute says.</p>
        </Empty>
      ) : (
        <Rows c={c} definition={definition} rows={rows} />
      )}
      <p class="pages">
        {after !== '' && <a href={path}>First corrections</a>}
        {last !== undefined && (
          <a href={`${path}?after=${encodeURIComponent(last.user)}`}>More corrections</a>
        )}
      </p>
      {may(c, correcting) && (
        <Section title="Correct somebody">
          <CorrectForm c={c} path={path} typed={typed} error={error} />
        </Section>
      )}
    </Page>
  )
}

function Rows({ c, definition, rows }: Pick<PageProps, 'c' | 'definition' | 'rows'>) {
  const now = c.var.res.now()
  return (
    <Table
      label="Corrections"
      rows={rows}
      columns={[
        {
          name: 'User',
          cell: ({ user }) => (
            <a href={personPath(user)}>
              <bdi>{user}</bdi>
            </a>
          ),
        },
        { name: 'Belongs', cell: (row) => <Belongs correction={correctionOf(row)} /> },
        {
          name: 'Reason',
          cell: ({ reason }) =>
            reason === null ? <span class="soft">none given</span> : <Text of={reason} />,
        },
        {
          name: 'Said',
          cell: ({ createdAt, actor }) => (
            <>
              <When at={createdAt} now={now} /> by <bdi>{actor.name}</bdi>
            </>
          ),
        },
        ...(may(c, correcting)
          ? [
              {
                name: 'Undo',
                cell: ({ user }: CorrectionRow) => (
                  <form method="post" action={`${correctionsPath(definition)}/back`}>
                    <FormToken c={c} />
                    <input type="hidden" name="user" value={user} />
                    <button>
                      Take back<span class="hidden"> ({user})</span>
                    </button>
                  </form>
                ),
              },
            ]
          : []),
      ]}
    />
  )
}

const places = [
  ['with', 'With another user, wherever that one belongs'],
  ['value', 'With those who have a value'],
  ['alone', 'With nobody'],
] as const

function CorrectForm({
  c,
  path,
  typed,
  error,
}: Pick<PageProps, 'c' | 'typed'> & { path: string; error: FormError | undefined }) {
  const { user, place = 'with', whom = '', reason = '' } = typed
  return (
    <form method="post" action={path}>
      <FormToken c={c} />
      <TextField name="user" label="User" value={user} error={error} isRequired />
      <fieldset>
        <legend>Where the user belongs</legend>
        {places.map(([is, said]) => (
          <label class="line">
            <input type="radio" name="place" value={is} checked={is === place} /> {said}
          </label>
        ))}
      </fieldset>
      <TextField
        name="whom"
        label="The other user, or the value"
        help="Not needed for a user who belongs with nobody."
        value={whom}
        error={error}
      />
      <TextField
        name="reason"
        label="Reason"
        help="Optional: for whoever looks at it later."
        value={reason}
        error={error}
      />
      <button class="main">Correct</button>
    </form>
  )
}
