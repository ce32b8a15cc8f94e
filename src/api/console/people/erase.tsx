import type { Context } from 'hono'
import type { Http } from '../../http.ts'
import { Confirm } from '../parts/confirm.tsx'
import { may } from '../parts/page.tsx'
import type { FormError } from '../parts/fields.tsx'
import { plural } from '../parts/figures.tsx'
import type { Person } from './person.ts'
import { listed } from '../parts/value.tsx'

/** What erasing somebody needs, and reading what became of it. */
export const erasing = ['users:write', 'groups:write'] as const

interface EraseProps {
  c: Context<Http>
  person: Person
  error: FormError | undefined
}

/** The end of a person's page: what erasing does, and the id to type. */
export function Erase({ c, person, error }: EraseProps) {
  if (!may(c, erasing)) return <></>
  return (
    <Confirm
      {...{ c, error, action: '/console/people/erase' }}
      title="Erase this person"
      label="Type the id"
      warning={`${willRemove(person)} It cannot be undone. What is sent with this id later is kept as new.`}
      button="Erase this person"
    >
      <input type="hidden" name="id" value={person.id} />
    </Confirm>
  )
}

/** What erasing somebody does, in numbers, as far as they are known. */
function willRemove({ profile, inherited, households, groups }: Person): string {
  const own = (profile?.attributes.length ?? 0) - inherited.size
  const joined = groups?.groups.length ?? 0
  const more = groups?.next === undefined ? '' : 'over '
  const known = [
    ...(own > 0 ? [plural(own, 'attribute')] : []),
    ...(households.length > 0
      ? [plural(households.length, 'place in a household', 'places in households')]
      : []),
    ...(joined > 0
      ? [more + plural(joined, 'membership of a group', 'memberships of groups')]
      : []),
  ]
  const rest = 'in files, refused rows, exposures and answers of webhooks'
  return known.length === 0
    ? `This removes the id wherever it may be kept: ${rest}.`
    : `This removes ${listed(known)}, at once, and then the id wherever else it is kept: ${rest}.`
}
