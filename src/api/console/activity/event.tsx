import type { Context } from 'hono'
import type { EventRecord } from '../../../webhooks/record.ts'
import type { Http } from '../../http.ts'
import { Facts, Section, type Fact } from '../parts/blocks.tsx'
import { When } from '../parts/figures.tsx'
import { Page } from '../parts/page.tsx'
import { beginningOf } from '../parts/value.tsx'
import { About, By, changesOf, nameOf, path, said } from './words.tsx'

/** Characters of a value; an export has all of them. */
const shownMost = 4000

/** All that is kept of an event. */
export function Event({ c, event }: { c: Context<Http>; event: EventRecord }) {
  const { id, type, timestamp, transaction_id, address_family } = event
  const facts: Fact[] = [
    ['About', <About of={event} filters={{}} />],
    ['By', <By of={event} filters={{}} />],
    ['When', <When at={Date.parse(timestamp)} now={c.var.res.now()} />],
    ['Event', <span class="id">{id}</span>],
  ]
  if (transaction_id !== null) facts.push(['Transaction', <span class="id">{transaction_id}</span>])
  if (address_family !== null) facts.push(['Came by', address_family])
  return (
    <Page c={c} title={nameOf(type)} up={{ name: 'Activity', path }}>
      <Facts of={facts} />
      {changesOf(event).map(([field, before, after]) => (
        <Section title={titleOf(field)}>
          <p class="soft">Before</p>
          <Value text={said(before)} />
          <p class="soft after">Afterwards</p>
          <Value text={said(after)} />
        </Section>
      ))}
      {Object.entries(event.data)
        .filter(([, value]) => value !== null)
        .map(([field, value]) => (
          <Section title={titleOf(field)}>
            <Value text={said(value)} />
          </Section>
        ))}
    </Page>
  )
}

/** `job_id` in words. */
const titleOf = (field: string) =>
  (field.charAt(0).toUpperCase() + field.slice(1)).replaceAll('_', ' ')

function Value({ text }: { text: string }) {
  const shown = beginningOf(text, shownMost)
  return (
    <>
      <pre class="value">{shown}</pre>
      {shown !== text && <p class="help">An export of the activity has all of it.</p>}
    </>
  )
}
