import { Hono, type Context } from 'hono'
import { listAudiences, type Audience } from '../../../audiences/audiences.ts'
import { overlap } from '../../../audiences/questions.ts'
import { canonical } from '../../../text.ts'
import { allows } from '../../bearer.ts'
import type { Http } from '../../http.ts'
import { questionLimited } from '../../rate-limit.ts'
import { distanceFor } from './circles.ts'
import { refusedForm } from '../errors.tsx'
import { Page } from '../parts/page.tsx'
import { Field, Refused, type FormError } from '../parts/fields.tsx'
import { Count, count } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'

interface Compared {
  a: number
  b: number
  both: number
}

/** How many users two audiences have in common. */
export const overlapping = new Hono<Http>().get(
  '/overlap',
  allows('audiences:read'),
  questionLimited,
  async (c) => {
    const { replica: db, workspace, res } = c.var
    const audiences = await listAudiences(db, workspace)
    const [a = '', b = ''] = ['a', 'b'].map((name) => canonical(c.req.query(name) ?? ''))
    if (a === '' || b === '') return c.html(<Overlap {...{ c, audiences, a, b }} />)
    try {
      const counts = await overlap({ db, workspace, limits: res.limits }, a, b)
      return c.html(<Overlap {...{ c, audiences, a, b, counts }} />)
    } catch (error) {
      const refused = refusedForm(error, 'b')
      return c.html(<Overlap {...{ c, audiences, a, b }} error={refused.error} />, refused.status)
    }
  },
)

interface OverlapProps {
  c: Context<Http>
  audiences: Audience[]
  a: string
  b: string
  counts?: Compared
  error?: FormError
}

function Overlap({ c, audiences, a, b, counts, error }: OverlapProps) {
  const nameOf = (id: string) => audiences.find((one) => one.id === id)?.name ?? id
  return (
    <Page
      c={c}
      title="Compare two audiences"
      about="How many users they have, and how many belong to both."
      up={{ name: 'Audiences', path: '/console/audiences' }}
    >
      <Refused error={error} />
      <form class="pick">
        <Choice name="a" label="One audience" audiences={audiences} chosen={a} />
        <Choice name="b" label="Another" audiences={audiences} chosen={b} error={error} />
        <button class="main">Compare</button>
      </form>
      {counts !== undefined && <Result names={[nameOf(a), nameOf(b)]} counts={counts} />}
    </Page>
  )
}

const Choice = ({
  audiences,
  chosen,
  ...field
}: {
  name: string
  label: string
  audiences: Audience[]
  chosen: string
  error?: FormError | undefined
}) => (
  <Field {...field}>
    <select id={field.name} name={field.name}>
      {audiences.map(({ id, name }) => (
        <option value={id} selected={id === chosen}>
          {name}
        </option>
      ))}
    </select>
  </Field>
)

const percent = (part: number, of: number) => (of === 0 ? 0 : Math.round((part / of) * 100))

function Result({ names: [a, b], counts }: { names: [string, string]; counts: Compared }) {
  const { both } = counts
  return (
    <section>
      <h2>
        <Count of={both} /> {both === 1 ? 'user is' : 'users are'} in both
      </h2>
      <p>
        That is <Count of={percent(both, counts.a)} /> % of <bdi class="strong">{a}</bdi> and{' '}
        <Count of={percent(both, counts.b)} /> % of <bdi class="strong">{b}</bdi>.
      </p>
      {counts.a > 0 && counts.b > 0 && <Circles {...counts} />}
      <Table
        label="Users of both audiences"
        rows={[
          { where: 'Only in', name: a, users: counts.a - both, part: 'a' as const },
          { where: 'In both', name: '', users: both, part: 'both' as const },
          { where: 'Only in', name: b, users: counts.b - both, part: 'b' as const },
        ]}
        columns={[
          {
            name: 'Users',
            cell: ({ where, name, part }) => (
              <>
                <svg class="key" width="12" height="12" aria-hidden="true">
                  <Key part={part} />
                </svg>{' '}
                {where} <bdi class="strong">{name}</bdi>
              </>
            ),
          },
          { name: 'Number', isNumber: true, cell: ({ users }) => <Count of={users} /> },
        ]}
      />
    </section>
  )
}

type Part = 'a' | 'b' | 'both'

const Key = ({ part }: { part: Part }) => (
  <>
    {part !== 'b' && <circle class="a see-through" cx="6" cy="6" r="6" />}
    {part !== 'a' && <circle class="b see-through" cx="6" cy="6" r="6" />}
  </>
)

const largest = 70
const edge = 4

/** Areas as the numbers; a table below holds these, too. */
function Circles({ a, b, both }: Compared) {
  const scale = largest / Math.sqrt(Math.max(a, b))
  const [left, right] = [scale * Math.sqrt(a), scale * Math.sqrt(b)]
  const apart = distanceFor(left, right, Math.PI * scale * scale * both)
  const from = Math.min(-left, apart - right)
  const width = Math.max(left, apart + right) - from + 2 * edge
  const [height, middle] = [2 * largest + 2 * edge, largest + edge]
  const x = (centre: number) => Math.round(centre - from + edge)
  return (
    <svg
      class="circles"
      role="img"
      width={Math.round(width)}
      height={height}
      aria-label={`Two circles: ${count(a)} and ${count(b)} users, ${count(both)} in both`}
    >
      <circle class="a see-through" cx={x(0)} cy={middle} r={Math.round(left)} />
      <circle class="b see-through" cx={x(apart)} cy={middle} r={Math.round(right)} />
    </svg>
  )
}
