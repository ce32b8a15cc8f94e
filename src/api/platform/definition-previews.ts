import { Hono, type Context } from 'hono'
import { getPreview, openPreview, type Preview } from '../../identity/previews.ts'
import type { Http } from '../http.ts'
import { questionLimited } from '../rate-limit.ts'
import { jsonBody, valid } from '../valid.ts'
import { operation } from './describe.ts'
import { draftOf } from './wire/groups.ts'
import { PreviewedDefinition, ShownPreview, showPreview } from './wire/previews.ts'

/** It shows values of users, and their ids. */
const withValues = ['groups:read', 'users:read'] as const

const answered = { schema: ShownPreview, goesOn: ShownPreview, tag: 'Group Identity' }

/** All that is counted, or 202 and where to ask again, which counts on. */
function answer(c: Context<Http>, preview: Preview) {
  const shown = showPreview(preview)
  if (preview.state === 'complete') return c.json(shown)
  const url = `/platform/workspaces/${preview.workspace}/groups/preview/${preview.id}`
  return c.json(shown, 202, { Location: url })
}

/** What definitions would form that are not saved. */
export const definitionPreviews = new Hono<Http>()
  .post(
    '/',
    operation(
      'previewDefinition',
      withValues,
      'Count which groups a definition would form; nothing is saved',
      answered,
    ),
    questionLimited,
    jsonBody,
    valid('json', PreviewedDefinition),
    async (c) => {
      const { res, workspace } = c.var
      return answer(c, await openPreview(res, workspace, draftOf(c.req.valid('json'))))
    },
  )

  .get(
    '/:preview_id',
    operation(
      'getDefinitionPreview',
      withValues,
      'Count on which groups a definition would form; for an hour',
      answered,
    ),
    questionLimited,
    async (c) => {
      const { res, workspace } = c.var
      return answer(c, await getPreview(res, workspace, c.req.param('preview_id')))
    },
  )
