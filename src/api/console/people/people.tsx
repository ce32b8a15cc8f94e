import { Hono, type Context } from 'hono'
import { erasePerson } from '../../../erasure/request.ts'
import { explainAssignment } from '../../../experiments/lookup.ts'
import { explain } from '../../../identity/explain.ts'
import type { Profile } from '../../../identity/profiles.ts'
import { allows } from '../../bearer.ts'
import { forgetsCached } from '../../cached.ts'
import type { Http } from '../../http.ts'
import { showExplanation } from '../../platform/wire/assignments.ts'
import { userIdOf } from '../../platform/wire/users.ts'
import { Erase, erasing } from './erase.tsx'
import { erasures } from './erasures.tsx'
import { Checks } from '../experiments/explain.tsx'
import { refusedForm } from '../errors.tsx'
import { form } from '../form.ts'
import { checkConfirmed } from '../parts/confirm.tsx'
import { may, Page } from '../parts/page.tsx'
import { Facts, Section, type Fact } from '../parts/blocks.tsx'
import { Refused, type FormError } from '../parts/fields.tsx'
import { plural, When } from '../parts/figures.tsx'
import { personPath } from '../paths.ts'
import { ifFound } from '../if-found.ts'
import { findPerson, isNobody, type Person } from './person.ts'
import { HouseholdsOf } from './households.tsx'
import { AttributesOf, GroupsOf, VariantsOf } from './sections.tsx'
import { shortened, Whole } from '../parts/value.tsx'
import { Why } from './why.tsx'

/** Whoever may read something of a person. */
const reading = [['users:read', 'groups:read']] as const

/** What is known of a person, and its erasure. An id is in the query, which no log has. */
export const people = new Hono<Http>()
  .route('/erasures', erasures)

  .get('/', allows(reading), async (c) => {
    const typed = c.req.query('id') ?? ''
    if (typed.trim() === '') return c.html(<Search c={c} />)
    try {
      const person = await findPerson(c, userIdOf(typed, 'id'), c.req.query('after') ?? '')
      return c.html(<PersonPage c={c} person={person} why={await whyOf(c, person)} />)
    } catch (error) {
      const refused = refusedForm(error, 'id')
      return c.html(<Search c={c} typed={typed} error={refused.error} />, refused.status)
    }
  })

  .post('/erase', allows(erasing), form, forgetsCached, async (c) => {
    const { res, workspace, caller } = c.var
    const id = userIdOf(c.var.form.get('id') ?? '', 'id')
    try {
      checkConfirmed(c, id, { what: 'the id' })
      const { id: erasure } = await erasePerson(res, workspace, id, caller.name)
      return c.redirect(`/console/people/erasures/${erasure}`, 303)
    } catch (error) {
      const refused = refusedForm(error, 'confirm')
      const person = await findPerson(c, id, '')
      return c.html(<PersonPage c={c} person={person} error={refused.error} />, refused.status)
    }
  })

interface SearchProps {
  c: Context<Http>
  typed?: string | undefined
  error?: FormError | undefined
}

const about = 'What is known of a person: groups, attributes, household and variants.'

const listOfErasures = (c: Context<Http>) =>
  may(c, erasing) && <a href="/console/people/erasures">Erasures</a>

function Search({ c, typed, error }: SearchProps) {
  return (
    <Page c={c} title="People" about={about} action={listOfErasures(c)}>
      <Refused error={error} />
      <SearchForm typed={typed} error={error} />
      <p class="soft">
        Ids are those that your files and apps send. They are matched exactly, capital letters too.
      </p>
    </Page>
  )
}

function SearchForm({ typed, error }: Omit<SearchProps, 'c'>) {
  return (
    <form action="/console/people" role="search">
      <label class="strong" for="id">
        Id of a person
      </label>
      {error !== undefined && (
        <p class="wrong" id="id-wrong">
          {error.message}
        </p>
      )}
      <div class="search">
        <input
          id="id"
          name="id"
          type="search"
          value={typed}
          required
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-invalid={error === undefined ? undefined : 'true'}
          aria-describedby={error === undefined ? undefined : 'id-wrong'}
        />
        <button>Look up</button>
      </div>
    </form>
  )
}

interface PersonPageProps {
  c: Context<Http>
  person: Person
  /** Where an attribute or a variant comes from, if that is asked. */
  why?: Element | undefined
  error?: FormError
}

type Element = ReturnType<typeof Why>

function PersonPage({ c, person, why, error }: PersonPageProps) {
  const { id, profile, households, groups } = person
  const now = c.var.res.now()
  const isUnknown = isNobody(person)
  return (
    <Page
      c={c}
      title={id}
      about={isUnknown ? undefined : 'What is known of this person.'}
      action={listOfErasures(c)}
      up={{ name: 'People', path: '/console/people' }}
    >
      <Refused error={error} />
      <SearchForm />
      {isUnknown && <Nobody c={c} />}
      {!isUnknown && (
        <Facts
          of={[
            ...(groups === undefined ? [] : [['Groups', groupsIn(groups)] satisfies Fact]),
            ...(profile === undefined
              ? []
              : ([
                  ['Attributes', attributesOf(person, profile)],
                  ['Household', householdIn(households)],
                  ['First seen', <When at={profile.createdAt} now={now} />],
                  ['Last change', <When at={profile.updatedAt} now={now} />],
                ] satisfies Fact[])),
          ]}
        />
      )}
      {why}
      {!isUnknown && (
        <>
          <GroupsOf c={c} person={person} />
          <HouseholdsOf c={c} person={person} />
          <AttributesOf c={c} person={person} />
          <VariantsOf person={person} />
        </>
      )}
      <Erase c={c} person={person} error={error} />
    </Page>
  )
}

const groupsIn = ({ groups, next }: NonNullable<Person['groups']>): string =>
  next === undefined ? `${groups.length}` : `${groups.length} or more`

const attributesOf = ({ inherited }: Person, { attributes }: Profile): string =>
  `${attributes.length - inherited.size} own, ${inherited.size} inherited`

const householdIn = ([first, ...more]: Person['households']): string =>
  first === undefined
    ? 'none'
    : more.length > 0
      ? `${more.length + 1}`
      : plural(first.members.length, 'member')

function Nobody({ c }: { c: Context<Http> }) {
  return (
    <div class="empty">
      <p class="strong">Nobody is known by this id</p>
      <p>
        Check that it is spelled as in your files, with the same capital letters.
        {!may(c, 'users:read') && ' Your client may read groups alone, and this id is in none.'}
      </p>
    </div>
  )
}

/** Why the person has the attribute, or the variant, that the query names. */
async function whyOf(c: Context<Http>, person: Person): Promise<Element | undefined> {
  const { attribute, experiment } = c.req.query()
  if (attribute !== undefined && may(c, 'users:read'))
    return (
      <Section title={`Attribute ${shortened(attribute)}`}>
        <div id="attribute">{await attributeOf(c, person, attribute)}</div>
        <Close id={person.id} />
      </Section>
    )
  if (experiment === undefined || !may(c, 'experiments:read')) return undefined
  return (
    <Section title={`Variant in ${shortened(experiment)}`}>
      <div id="experiment">{await variantOf(c, person, experiment)}</div>
      <Close id={person.id} />
    </Section>
  )
}

const Close = ({ id }: { id: string }) => (
  <p class="pages">
    <a href={personPath(id)}>Close</a>
  </p>
)

async function attributeOf(c: Context<Http>, { id, profile, inherited }: Person, name: string) {
  const { replica, workspace, res } = c.var
  const own = profile?.attributes.find(([known]) => known === name && !inherited.has(known))
  if (own !== undefined) return <Whole of={own[1]} />
  const explanation = await ifFound(explain(replica, workspace, id, name))
  if (explanation === undefined) return <p class="soft">This person has no such attribute.</p>
  const attribute = name.slice(explanation.definition.length + 1)
  return <Why attribute={attribute} explanation={explanation} now={res.now()} />
}

async function variantOf(c: Context<Http>, { id }: Person, experiment: string) {
  const { replica, workspace } = c.var
  const explained = await ifFound(explainAssignment(replica, workspace, experiment, id))
  if (explained === undefined) return <p class="soft">There is no such experiment.</p>
  const { checks } = showExplanation(id, explained, may(c, 'users:read'))
  return <Checks checks={checks} />
}
