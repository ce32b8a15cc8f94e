import type { Context } from 'hono'
import { listGroups, type Group } from '../../../experience/groups.ts'
import { invalid } from '../../../failure.ts'
import { canonical, isUuid } from '../../../text.ts'
import type { Http } from '../../http.ts'
import { may } from './page.tsx'
import { TextField, type FormError } from './fields.tsx'

const suggestedMost = 100

/** Groups by name, as far as who is signed in may read them. */
export async function groupsByName(
  c: Context<Http>,
  most = c.var.res.limits.groupsMax,
): Promise<Group[]> {
  if (!may(c, 'groups:read')) return []
  const sort = { field: 'name', descending: false } as const
  const { replica, workspace } = c.var
  return (await listGroups(replica, workspace, { page: 0, size: most, sort })).items
}

export const nameOfGroup = (groups: Group[], id: string): string =>
  groups.find((group) => group.id === id)?.name ?? id

/** The id of a group that was chosen by its name or id. Throws `invalid` for no name of a group. */
export async function chosenGroup(c: Context<Http>, field: string, text: string): Promise<string> {
  const chosen = canonical(text)
  if (isUuid(chosen)) return chosen.toLowerCase()
  const found = (await groupsByName(c)).find(({ name }) => name === chosen)
  if (found === undefined) throw invalid(field, 'is not the name of a group')
  return found.id
}

/** A field where a group is chosen; it offers the first groups by name. */
export function GroupField({
  groups,
  ...field
}: {
  name: string
  label: string
  help?: string
  value?: string | undefined
  error?: FormError | undefined
  isRequired?: boolean
  groups: Group[]
}) {
  return (
    <>
      <TextField {...field} list="groups" />
      <datalist id="groups">
        {groups.slice(0, suggestedMost).map(({ name }) => (
          <option value={name}></option>
        ))}
      </datalist>
    </>
  )
}
