import type { Actor } from '../actor.ts'
import type { jobs } from '../db/schema.ts'

/** A row of `jobs`; the source decides what some columns mean. */
export type JobRow = typeof jobs.$inferSelect

/** `writing` in the table is `applying` with longer slices. */
export type JobState = Exclude<JobRow['state'], 'writing'>

/** Every change of a job raises `step`. */
interface JobFields extends Pick<
  JobRow,
  | 'key'
  | 'step'
  | 'id'
  | 'workspace'
  | 'failure'
  | 'createdBy'
  | 'actor'
  | 'createdAt'
  | 'updatedAt'
  | 'rows'
  | 'badRows'
  | 'fileSha256'
> {
  state: JobState
  /** Jobs of one queue run one at a time, in the order of `revision`. */
  queue: number
  revision: number
  /** Items of the last batch. */
  batchItems: number
}

/** A file, how far it is read in bytes, and rows of the slice at `offset`. */
interface FileFields extends Pick<
  JobRow,
  | 'fileName'
  | 'fileKey'
  | 'fileSize'
  | 'format'
  | 'sliceBytes'
  | 'offset'
  | 'line'
  | 'place'
  | 'reached'
> {
  rowsMax: number
  applied: number
}

/** What a job changes in a group. */
interface GroupFields extends Pick<
  JobRow,
  'group' | 'touched' | 'added' | 'removed' | 'mode' | 'maxRemovePercent'
> {
  type: Exclude<JobRow['type'], 'users'>
  /** While sweeping, undoing or reverting: the last participant scanned (null: all are), and how many. */
  walk: { after: string | null; members: number }
}

export interface UsersFileJob extends JobFields, FileFields {
  source: 'users-file'
  /** The names of the columns after the first, once the first slice is read. */
  columns: string[] | null
  usersCreated: number
  attributesChanged: number
}

export interface ParticipantsFileJob extends JobFields, FileFields, GroupFields {
  source: 'participants-file'
  type: Exclude<GroupFields['type'], 'revert'>
}

export interface AudienceJob extends JobFields, GroupFields {
  source: 'audience'
  audience: string
  /** Users of the workspace when the job started, and how many are scanned. */
  users: number
  scanned: number
  lastUser: string
}

/** Removes the people of an erasure; how many they are, and of how many that is done. */
export interface ErasureJob extends JobFields, GroupFields, Pick<JobRow, 'fileName' | 'fileKey'> {
  source: 'erasure'
  erasure: number
  people: number
  scanned: number
}

/** Brings back what its group was before `reverts`, the revision that was live when it was opened. */
export interface RevertJob extends JobFields, GroupFields, Pick<JobRow, 'fileName' | 'fileKey'> {
  source: 'revision-before'
  reverts: number
  /** Members of the revision before, but for people who may have been erased since. */
  leastMembers: number
}

export type FileJob = UsersFileJob | ParticipantsFileJob
export type Job = FileJob | AudienceJob | ErasureJob | RevertJob

/** Who has requested a job. */
export const actorOf = ({ actor, createdBy }: Pick<Job, 'actor' | 'createdBy'>): Actor =>
  actor ?? { name: createdBy }

/** Who opens syncs that nobody requested. */
export const cronsName = 'refresh'

/** The queue of a workspace's files of users; that of a group is its key, which is positive. */
export const usersQueue = (workspace: number): number => -workspace

const read = (row: JobRow) => ({
  ...row,
  state: row.state === 'writing' ? 'applying' : row.state,
  queue: row.group,
  batchItems: row.batchIds,
  rowsMax: rowsMaxOf(row.state),
  walk: { after: row.cursor, members: row.applied },
})

export const readUsersJob = (row: JobRow): UsersFileJob => ({
  ...read(row),
  source: 'users-file',
  columns: row.header,
  usersCreated: row.added,
  attributesChanged: row.touched,
})

export function readGroupJob(
  row: JobRow & { type: GroupFields['type'] },
): Exclude<Job, UsersFileJob> {
  const { type, audience, erasure, fileSize, offset, cursor } = row
  if (erasure !== null) {
    const scan = { people: fileSize, scanned: offset }
    return { ...read(row), ...scan, type, erasure, source: 'erasure' }
  }
  if (type === 'revert') {
    const scan = { reverts: fileSize, leastMembers: offset }
    return { ...read(row), ...scan, type, source: 'revision-before' }
  }
  if (audience === null) return { ...read(row), type, source: 'participants-file' }
  const scan = { users: fileSize, scanned: offset, lastUser: cursor ?? '' }
  return { ...read(row), ...scan, type, audience, source: 'audience' }
}

/** The columns of a job that begins to scan its group's members, to sweep or to undo. */
export const walkStart = { cursor: '', applied: 0 }

/** The columns of a job that has scanned its group's members as far as this. */
export const walkedTo = ({ after, members }: GroupFields['walk']) => ({
  cursor: after,
  applied: members,
})

/** The columns of a job that has scanned the workspace's users as far as this. */
export const scannedTo = ({ lastUser, scanned }: Pick<AudienceJob, 'lastUser' | 'scanned'>) => ({
  cursor: lastUser,
  offset: scanned,
  reached: scanned,
})

/** Most rows of a slice. As checkpoints count them, the state fixes the number. */
const rowsMaxOf = (state: JobRow['state']) => (state === 'writing' ? 262_144 : 200_000)

/** The state of a job that starts. */
export const startedState = ({ source }: Pick<Job, 'source'>): 'writing' | 'applying' =>
  source === 'participants-file' ? 'writing' : 'applying'
