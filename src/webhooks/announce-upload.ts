import type { Resources } from '../resources.ts'
import { announce, enqueueAnnounced } from './announce.ts'
import type { Result } from '../db/connect.ts'

/** What is announced of the uploads in pieces to a group, or of users where it is null. */
export const announcingUploads = (res: Resources, workspace: number, group_id: string | null) => ({
  announceCreated: (upload_id: string) =>
    announce(res, workspace, { type: 'upload.created', data: { upload_id, group_id } }),
  announceDeleted: (upload_id: string) =>
    announce(res, workspace, { type: 'upload.deleted', data: { upload_id, group_id } }),
  enqueueAnnounced: (results: Result[]) => enqueueAnnounced(res, workspace, results),
})
