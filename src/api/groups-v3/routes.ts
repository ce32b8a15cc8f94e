import { Hono, type Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { createGroup, getGroup, listGroups, renameGroup } from '../../experience/groups.ts'
import { deleteGroup } from '../../experience/delete-group.ts'
import { getJob, listJobs } from '../../experience/jobs.ts'
import { findReceived, receiveUpload } from '../../experience/upload.ts'
import { Failure } from '../../failure.ts'
import { listProblems } from '../../jobs/job-problems.ts'
import { isUuid } from '../../text.ts'
import { bearer } from '../bearer.ts'
import { forgetsCached } from '../cached.ts'
import type { Http } from '../http.ts'
import { idempotent } from '../idempotent.ts'
import { idempotentUpload } from '../idempotent-upload.ts'
import { ifMatch, setTag } from '../if-match.ts'
import { addressOf } from '../origin.ts'
import { rateLimited } from '../rate-limit.ts'
import { unknownOperation } from '../refusal.ts'
import { finishAlways } from '../upload.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import { onError, problemOrder, problemSentences } from './errors.ts'
import { heldJobs } from './held-jobs.ts'
import { lookups } from './lookups.ts'
import { Page, pagingOf, PageQuery, showPage } from './paging.ts'
import * as jobWire from './job-wire.ts'
import { revisions } from './revisions.ts'
import { ShownUpload, showUpload } from './upload-wire.ts'
import { uploads, uploadsOffered } from './uploads.ts'
import * as wire from './wire.ts'

const groupFields = { groupName: 'name', groupId: 'id', 'groupType.groupTypeName': 'type' } as const
const jobFields = { insertDateTime: 'createdAt', 'group.groupName': 'groupName' } as const
const problemFields = { lineNbr: 'line', errorMsg: 'problem' } as const

/** Repeats the transactionId in every answer, refusals too. */
const repeatTransactionId = createMiddleware<Http>(async (c, next) => {
  const id = c.req.header('transactionId') ?? ''
  if (isUuid(id)) c.header('transactionId', id)
  await next()
})

const requireTransactionId = createMiddleware<Http>(async (c, next) => {
  if (!isUuid(c.req.header('transactionId') ?? ''))
    throw new Failure({ reason: 'header-invalid', header: 'transactionId' })
  await next()
})

const showOne = async (c: Context<Http>, id: string) =>
  c.json(wire.showGroup(await getGroup(c.var.db, c.var.workspace, id)))

/** Experience Groups. */
export const groupsV3 = new Hono<Http>()
  .onError(onError)
  .route('/', uploadsOffered)
  .use(repeatTransactionId, bearer, rateLimited, requireTransactionId)
  .route('/', lookups)
  .route('/', revisions)
  .route('/', heldJobs)
  .route('/', uploads)

  .post(
    '/groups',
    operation('createGroup', 'groups:write', 'Create a group', wire.ShownGroup),
    jsonBody,
    valid('json', wire.NewGroup),
    idempotent<'group.created'>((c, { group_id }) => showOne(c, group_id)),
    async (c) => {
      const { res, workspace } = c.var
      const created = await createGroup(res, workspace, wire.newGroupOf(c.req.valid('json')))
      return c.json(wire.showGroup(created))
    },
  )

  .get(
    '/groups',
    operation('listGroups', 'groups:read', 'List the groups', Page(wire.ListedGroup)),
    valid('query', PageQuery(groupFields)),
    async (c) => {
      const paging = pagingOf(c.req.valid('query'), groupFields, {
        field: 'name',
        descending: false,
      })
      return c.json(
        showPage(
          addressOf(c),
          paging,
          await listGroups(c.var.replica, c.var.workspace, paging),
          wire.listGroup,
        ),
      )
    },
  )

  .get(
    '/groups/:groupId',
    operation('getGroup', 'groups:read', 'Get a group', { schema: wire.ShownGroup, tagged: true }),
    async (c) => {
      const id = wire.groupIdOf(c.req.param('groupId'))
      const group = await getGroup(c.var.db, c.var.workspace, id)
      setTag(c, group.revision)
      return c.json(wire.showGroup(group))
    },
  )

  .put(
    '/groups/:groupId',
    operation(
      'updateGroup',
      'groups:write',
      'Change the name, the description or the guard; fields that are not given stay',
      wire.ShownGroup,
    ),
    jsonBody,
    valid('json', wire.GroupDraft),
    async (c) => {
      const id = wire.groupIdOf(c.req.param('groupId'))
      return c.json(
        wire.showGroup(
          await renameGroup(c.var.res, c.var.workspace, id, wire.draftOf(c.req.valid('json'))),
        ),
      )
    },
  )

  .delete(
    '/groups/:groupId',
    operation('deleteGroup', 'groups:write', 'Delete a group, its members and jobs', wire.Accepted),
    forgetsCached,
    async (c) => {
      const id = wire.groupIdOf(c.req.param('groupId'))
      await deleteGroup(c.var.res, c.var.workspace, id)
      return c.json({ code: '1000', message: `groupId ${id} was successfully deleted` })
    },
  )

  .on(
    ['PUT', 'POST'],
    '/groups/:groupId/participants',
    operation(
      'uploadParticipants',
      'groups:write',
      'Upload a file that adds, removes or replaces participants',
      { schema: ShownUpload, kind: 'upload' },
    ),
    finishAlways,
    ifMatch,
    valid('query', wire.UploadQuery),
    idempotentUpload<'job.created'>(async (c, { job_id, group_id }) => {
      const job = await findReceived(c.var.res, c.var.workspace, job_id)
      return c.json(showUpload(job, String(group_id)))
    }),
    async (c) => {
      const { res, workspace, caller, parts, expected } = c.var
      const id = wire.groupIdOf(c.req.param('groupId'))
      const upload = { createdBy: caller.name, parts, expected }
      const job = await receiveUpload(res, workspace, id, upload)
      return c.json(showUpload(job, id))
    },
  )

  .get(
    '/jobs',
    operation(
      'listJobs',
      'groups:read',
      'List the jobs of one group or all, newest first',
      Page(jobWire.ListedJob),
    ),
    valid('query', PageQuery(jobFields).extend(wire.JobsOf)),
    async (c) => {
      const query = c.req.valid('query')
      const paging = pagingOf(query, jobFields, { field: 'createdAt', descending: true })
      const groupId = query.groupId === undefined ? undefined : wire.groupIdOf(query.groupId)
      return c.json(
        showPage(
          addressOf(c),
          paging,
          await listJobs(c.var.replica, c.var.workspace, groupId, paging),
          jobWire.listJob(addressOf(c)),
        ),
      )
    },
  )

  .get(
    '/jobs/:jobId',
    operation('getJob', 'groups:read', 'Get a job: its progress and its outcome', jobWire.ShownJob),
    async (c) =>
      c.json(
        jobWire.showJob(
          await getJob(c.var.db, c.var.workspace, c.req.param('jobId').toLowerCase()),
        ),
      ),
  )

  .get(
    '/jobs/:jobId/errors',
    operation(
      'listJobErrors',
      'groups:read',
      'List the rows of a file that were refused',
      Page(wire.ShownProblem),
    ),
    valid('query', PageQuery(problemFields)),
    async (c) => {
      const paging = pagingOf(c.req.valid('query'), problemFields, {
        field: 'line',
        descending: false,
      })
      const { db, workspace, res } = c.var
      const job = await getJob(db, workspace, c.req.param('jobId').toLowerCase())
      const show = wire.showProblem(problemSentences(res.limits.participantMax))
      return c.json(
        showPage(addressOf(c), paging, await listProblems(db, job, paging, problemOrder), show),
      )
    },
  )

  .all('*', unknownOperation)
