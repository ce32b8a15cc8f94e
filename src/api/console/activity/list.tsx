import type { Context } from 'hono'
import type { PropsWithChildren } from 'hono/jsx'
import { objects } from '../../../webhooks/event-object.ts'
import { recordOf, type EventRecord, type PastEvent } from '../../../webhooks/record.ts'
import type { Http } from '../../http.ts'
import { Page } from '../parts/page.tsx'
import { Empty } from '../parts/blocks.tsx'
import { Field, Refused, TextField, type FormError } from '../parts/fields.tsx'
import { When } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'

/** Which events are listed. */
export interface Filters {
  /** Of the things that events are about. */
  kind: string
  /** Days, both included. */
  from: string
  until: string
  /** A client's id. */
  actor: string
  /** A kind, a colon and an id. */
  object: string
  after: string
}

const path = '/console/activity'

/** The address of the list with these filters. */
function addressOf(filters: Partial<Filters>, below = ''): string {
  const given = Object.entries(filters).filter(([, value]) => value !== '')
  const query = String(new URLSearchParams(given))
  return query === '' ? path + below : `${path}${below}?${query}`
}

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
      <TextField name="object" label="One thing" value={object} error={error} />
      <div class="actions">
        <button>Show</button>
        {Object.values(filters).some((value) => value !== '') && <a href={path}>Show everything</a>}
      </div>
    </form>
  )
}

/** `group.participants.changed` in plain words. */
function nameOf(type: string): string {
  const words = type.replaceAll('.', ' ')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

interface OfEvent {
  of: EventRecord
  filters: Omit<Filters, 'after'>
}

function About({ of: { object, data }, filters }: OfEvent) {
  if (object === null) return <span class="soft">many people</span>
  const { kind, id } = object
  const name = typeof data['name'] === 'string' ? data['name'] : undefined
  return (
    <a href={addressOf({ ...filters, object: `${kind}:${id}` })} title={id}>
      {kind} <bdi>{name ?? shortened(id)}</bdi>
    </a>
  )
}

const shortened = (id: string) => (id.length > 24 ? `${id.slice(0, 8)}…` : id)

function By({ of: { actor }, filters }: OfEvent) {
  if (actor === null) return <span class="soft">not known</span>
  if (actor.client_id === null) return <bdi>{actor.name}</bdi>
  return (
    <a href={addressOf({ ...filters, actor: actor.client_id })} title={`Client ${actor.client_id}`}>
      <bdi>{actor.name}</bdi>
    </a>
  )
}

/** All that is kept of an event. */
function Details({
  of: { id, data, change, transaction_id, address_family },
}: {
  of: EventRecord
}) {
  const facts = Object.entries(data).filter(([, value]) => value !== null)
  const changed = change === null ? [] : Object.keys({ ...change.before, ...change.after })
  return (
    <details>
      <summary>{change === null ? 'Details' : 'What changed'}</summary>
      <dl class="pairs">
        {changed.map((field) => (
          <Pair name={field}>
            <bdi>{said(change?.before[field])}</bdi> → <bdi>{said(change?.after[field])}</bdi>
          </Pair>
        ))}
        {facts.map(([field, value]) => (
          <Pair name={field}>
            <bdi>{said(value)}</bdi>
          </Pair>
        ))}
        <Pair name="event">{id}</Pair>
        {transaction_id !== null && <Pair name="transaction">{transaction_id}</Pair>}
        {address_family !== null && <Pair name="came by">{address_family}</Pair>}
      </dl>
    </details>
  )
}

const Pair = ({ name, children }: PropsWithChildren<{ name: string }>) => (
  <>
    <dt>{name.replaceAll('_', ' ')}</dt>
    <dd>{children}</dd>
  </>
)

/** A value as people read it. */
function said(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'nothing'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'string' ? value : JSON.stringify(value)
}
