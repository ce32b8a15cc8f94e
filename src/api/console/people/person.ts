import type { Context } from 'hono'
import { evaluating } from '../../../access/scopes.ts'
import { listExperiments, type Experiment } from '../../../experiments/experiments.ts'
import { findAssignments } from '../../../experiments/lookup-many.ts'
import type { Assigned } from '../../../experiments/split.ts'
import type { Correction } from '../../../identity/corrections.ts'
import { listHouseholds, type Household } from '../../../identity/households.ts'
import { getProfile, inheritedName, type Profile } from '../../../identity/profiles.ts'
import { findGroupsOf, type LiveGroup } from '../../../membership/lookup.ts'
import type { Http } from '../../http.ts'
import { ifFound } from '../if-found.ts'
import { may } from '../parts/page.tsx'

/** Groups, and running experiments, of a page. */
const groupsOfPage = 50
const experimentsMost = 50

/** What is known of an id, as far as who is signed in may read it. */
export interface Person {
  id: string
  /** Undefined where there is no user of this id, or it may not be read. */
  profile: Profile | undefined
  households: ({ definition: string; correction: Correction | null } & Household)[]
  /** Names of inherited attributes. */
  inherited: ReadonlySet<string>
  groups: { groups: LiveGroup[]; next: string | undefined } | undefined
  variants: { rows: { experiment: Experiment; assigned: Assigned }[]; more: number } | undefined
}

/** All that the look-ups of a person say; `after` is the group after which the page begins. */
export async function findPerson(c: Context<Http>, id: string, after: string): Promise<Person> {
  const { replica, workspace } = c.var
  const [known, groups, variants] = await Promise.all([
    may(c, 'users:read') ? findUser(c, id) : undefined,
    may(c, evaluating)
      ? findGroupsOf(replica, workspace, id, { after, size: groupsOfPage })
      : undefined,
    may(c, 'experiments:read') ? findVariants(c, id) : undefined,
  ])
  const households = known?.households ?? []
  const inherited = new Set(
    households.flatMap(({ definition, shared }) =>
      shared.map(([name]) => inheritedName(definition, name)),
    ),
  )
  return { id, profile: known?.profile, households, inherited, groups, variants }
}

/** Whether nothing is known of the person that may be shown. */
export const isNobody = ({ profile, groups, variants }: Person): boolean =>
  profile === undefined &&
  (groups?.groups ?? []).length === 0 &&
  !(variants?.rows ?? []).some(({ assigned }) => assigned.reason === 'FORCED')

async function findUser(c: Context<Http>, id: string) {
  const { replica, workspace, res } = c.var
  const profile = await ifFound(getProfile(replica, workspace, id))
  if (profile === undefined) return undefined
  const { groupUsersMax } = res.limits
  const households = await Promise.all(
    profile.groups.map(async ({ definition, value, correction }) => {
      const query = { value, groupUsersMax }
      const found = await ifFound(listHouseholds(replica, workspace, definition, query))
      return (found?.households ?? []).map((household) => ({
        definition,
        correction,
        ...household,
      }))
    }),
  )
  return { profile, households: households.flat() }
}

/** The variants of the first running experiments, and how many more there are. */
async function findVariants(c: Context<Http>, id: string): Promise<Person['variants']> {
  const { replica, workspace } = c.var
  const all = await listExperiments(replica, workspace)
  const running = all.filter(({ status }) => status === 'running')
  const ids = running.slice(0, experimentsMost).map((experiment) => experiment.id)
  if (ids.length === 0) return { rows: [], more: 0 }
  const found = await ifFound(findAssignments(replica, workspace, [id], ids))
  const assigned = found?.assignments[0]?.assigned ?? []
  const rows = (found?.experiments ?? []).flatMap((experiment, i) => {
    const one = assigned[i]
    return one === undefined ? [] : [{ experiment, assigned: one }]
  })
  return { rows, more: running.length - ids.length }
}
