import type { Context } from 'hono'
import type { PropsWithChildren } from 'hono/jsx'
import { objects } from '../../../webhooks/event-object.ts'
import { recordOf, type EventRecord, type PastEvent } from '../../../webhooks/record.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { shortened } from '../parts/value.tsx'
import { About, addressOf, By, changesOf, nameOf, path, said, type Filters } from './words.tsx'
import { Empty } from '../parts/blocks.tsx'
import { Field, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'

interface ActivityProps {
  c: Context<Http>
  filters: Filters
  events: PastEvent[]
  next: string | null
  error?: FormError
}

export function Activity({ c, filters, events, next, error }: ActivityProps) {
  const now = c.var.res.now()
  const { after, ...kept } = filters
  return (
    <Page
      c={c}
      title="Activity"
      about="What was done in this workspace, and by whom."
      action={
        <>
          <a class="button" href={`${path}/digests`}>
            Signed digests
          </a>
          <a class="button main" href={addressOf(kept, '/export')}>
            Export
          </a>
        </>
      }
    >
      <Refused error={error} />
      <FilterForm filters={filters} error={error} />
      {events.length === 0 ? (
        <Empty
          title={after === '' ? 'Nothing of this kind was done' : 'There is nothing more here'}
        >
          {next === null ? (
            <p>Each change of groups, people, audiences and settings is listed here.</p>
          ) : (
            <p>Older activity may match: go on to the next page.</p>
          )}
        </Empty>
      ) : (
        <Table
          label="Activity"
          rows={events.map(recordOf)}
          columns={[
            { name: 'What', cell: ({ type }) => nameOf(type) },
            { name: 'About', cell: (one) => <About of={one} filters={kept} /> },
            { name: 'By', cell: (one) => <By of={one} filters={kept} /> },
            {
              name: 'When',
              cell: ({ timestamp }) => <When at={Date.parse(timestamp)} now={now} />,
            },
            { name: 'Details', cell: (one) => <Details of={one} /> },
          ]}
        />
      )}
      <p class="pages">
        {after !== '' && <a href={addressOf(kept)}>Newest</a>}
        {next !== null && <a href={addressOf({ ...kept, after: next })}>Older</a>}
      </p>
    </Page>
  )
}

const kinds = [...new Set(Object.values(objects).flatMap((object) => object?.[0] ?? []))]

function FilterForm({ filters, error }: { filters: Filters; error: FormError | undefined }) {
  const { kind, from, until, actor, object } = filters
  return (
    <form class="narrow" action={path}>
      <Field name="kind" label="About">
        <select id="kind" name="kind">
          <option value="">everything</option>
          {kinds.map((one) => (
            <option value={one} selected={one === kind}>
              {one}
            </option>
          ))}
        </select>
      </Field>
      <TextField name="from" label="From (UTC)" type="date" value={from} error={error} />
      <TextField name="until" label="Until (UTC)" type="date" value={until} error={error} />
      <TextField name="actor" label="Client id" value={actor} error={error} />
      <TextField name="object" label="One thing (kind:id)" value={object} error={error} />
      <div class="actions">
        <button>Show</button>
        {Object.values(filters).some((value) => value !== '') && <a href={path}>Show everything</a>}
      </div>
    </form>
  )
}

/** Fields of a row; all of them are on the event's own page. */
const fieldsShown = 8

/** What has changed, shortened, and the way to all that is kept of an event. */
function Details({ of }: { of: EventRecord }) {
  const whole = `${path}/events/${of.id}`
  if (of.change === null) return <a href={whole}>Details</a>
  return (
    <details>
      <summary>What changed</summary>
      <dl class="pairs">
        {changesOf(of)
          .slice(0, fieldsShown)
          .map(([name, before, after]) => (
            <Pair name={name}>
              <bdi>{shortened(said(before))}</bdi> → <bdi>{shortened(said(after))}</bdi>
            </Pair>
          ))}
      </dl>
      <a href={whole}>Details</a>
    </details>
  )
}

const Pair = ({ name, children }: PropsWithChildren<{ name: string }>) => (
  <>
    <dt>{name.replaceAll('_', ' ')}</dt>
    <dd>{children}</dd>
  </>
)
