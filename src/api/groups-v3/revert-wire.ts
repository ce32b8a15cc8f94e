import { z } from 'zod'
import { typeNames } from '../../experience/jobs.ts'
import { Accepted, maxRemovePercent } from './wire.ts'

export const Revert = z.object({
  mode: z.enum(['apply', 'preview'], 'must be apply or preview').default('apply'),
  maxRemovePercent,
})

export const ShownRevert = Accepted.extend({
  jobId: z.uuid(),
  jobStatus: z.literal('CREATED'),
  type: z.literal(typeNames.revert),
})

export const showRevert = (id: string, groupId: string): z.infer<typeof ShownRevert> => ({
  code: '1000',
  message: `Revert of group: ${groupId} was accepted with jobId: ${id}`,
  jobId: id,
  jobStatus: 'CREATED',
  type: typeNames.revert,
})
