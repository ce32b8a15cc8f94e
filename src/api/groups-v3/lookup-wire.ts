import { z } from 'zod'
import type { LiveGroup } from '../../membership/lookup.ts'
import { FileFor, KeysetQuery } from '../keyset.ts'
import { WholeNumber } from '../whole-number.ts'

const Revision = z.int().meta({
  description:
    'The live revision of the group: the number of the last upload that the answer includes.',
})

export const ShownGroupsOf = z.object({
  participantId: z.string(),
  groups: z.array(z.object({ groupId: z.uuid(), groupName: z.string(), revision: Revision })),
  next: z.uuid().optional().meta({ description: 'Where more groups follow: the last of these.' }),
})

/** A page of groups. */
export const GroupsQuery = KeysetQuery('group')

export const showGroupsOf = (
  participantId: string,
  { groups, next }: { groups: LiveGroup[]; next: string | undefined },
): z.infer<typeof ShownGroupsOf> => ({
  participantId,
  groups: groups.map(({ id, name, revision }) => ({ groupId: id, groupName: name, revision })),
  ...(next !== undefined && { next }),
})

/** Optional as a whole, so that a typed client need not give it. */
export const MemberQuery = z
  .object({
    revision: WholeNumber(0, Number.MAX_SAFE_INTEGER)
      .optional()
      .meta({
        description:
          'As of this revision: the live one, or the one that was live before it, 0 before the ' +
          'first. Refused where it cannot be told exactly, as jobs are no longer kept. Whoever was ' +
          'erased is in none.',
      }),
  })
  .optional()

export const ShownMember = z.object({
  groupId: z.uuid(),
  participantId: z.string(),
  member: z.boolean(),
  revision: Revision,
})

export const showMember = (
  participantId: string,
  { id, member, revision }: LiveGroup & { member: boolean },
): z.infer<typeof ShownMember> => ({
  groupId: id,
  participantId,
  member,
  revision,
})

export const MembershipsRequest = z.object({
  participantIds: z
    .array(z.string())
    .min(1, 'must name at least one')
    .max(1000, 'cannot name more than 1000'),
  groupIds: z
    .array(z.string())
    .max(100, 'cannot name more than 100')
    .nullish()
    .meta({ description: 'Only these groups; all if not given.' }),
})

export const ShownMemberships = z.object({
  memberships: z.array(z.object({ participantId: z.string(), groupIds: z.array(z.uuid()) })),
  revisions: z
    .record(z.uuid(), Revision)
    .meta({ description: 'The revision of each group in the answer or the request.' }),
})

export const showMemberships = ({
  memberships,
  groups,
}: {
  memberships: { participant: string; groupIds: string[] }[]
  groups: LiveGroup[]
}): z.infer<typeof ShownMemberships> => ({
  memberships: memberships.map(({ participant, groupIds }) => ({
    participantId: participant,
    groupIds,
  })),
  revisions: Object.fromEntries(groups.map(({ id, revision }) => [id, revision])),
})

export const MembersQuery = KeysetQuery('participant').extend({ for: FileFor })

export const ofOneRevision =
  'As text/csv, all participants of the revision that is live when the request begins, even while ' +
  'one later upload goes live. If a second later upload begins to write, the connection is closed ' +
  'before the end of the file: request it again, all of it or from the last participant on ' +
  '(`after`), which then gives the newer revision.'

export const ShownMembers = z.object({
  participants: z.array(z.string()),
  next: z.string().nullable(),
  revision: Revision,
})

export const showMembers = (
  { group, participants }: { group: LiveGroup; participants: string[] },
  size: number,
): z.infer<typeof ShownMembers> => ({
  participants,
  next: participants.length < size ? null : (participants.at(-1) ?? null),
  revision: group.revision,
})
