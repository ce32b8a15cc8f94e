import { z } from 'zod'
import type { Erasure } from '../../../erasure/erasures.ts'
import { rowsMost, type RequestedErasure } from '../../../erasure/request.ts'
import { KeysetQuery } from '../../keyset.ts'
import { date, dateOrNull } from './values.ts'

/** The body of a file, which is read as files of participants are. */
export const peopleBody = {
  required: true,
  content: {
    'text/csv': {
      schema: {
        type: 'string',
        format: 'binary',
        description:
          'An id in each row, of up to 1000 people, who have no more than ' +
          `${rowsMost} attributes and groups together; a header is recognised.`,
      },
    },
  },
} as const

export const ShownErasure = z.object({
  id: z.uuid(),
  people: z.int(),
  person_hash: z.string().nullable().meta({
    description: 'Stands for the person in the receipt; null for an erasure by file.',
  }),
  status: z.enum(['PROCESSING', 'SUCCESSFUL']),
  requested_on: z.iso.datetime(),
  completed_on: z.iso.datetime().nullable(),
  removed: z.record(z.string(), z.int()).meta({
    description: 'How many rows of each kind are removed so far.',
  }),
})

export const RequestedOfPerson = ShownErasure.pick({
  id: true,
  person_hash: true,
  status: true,
  requested_on: true,
})

export const RequestedOfFile = ShownErasure.pick({
  id: true,
  people: true,
  status: true,
  requested_on: true,
})

const statusOf = ({ state }: Pick<Erasure, 'state'>) =>
  state === 'complete' ? ('SUCCESSFUL' as const) : ('PROCESSING' as const)

export const showRequestedOfPerson = (
  erasure: RequestedErasure,
): z.infer<typeof RequestedOfPerson> => ({
  id: erasure.id,
  person_hash: erasure.personHash,
  status: statusOf(erasure),
  requested_on: date(erasure.createdAt),
})

export const showRequestedOfFile = (
  erasure: RequestedErasure,
): z.infer<typeof RequestedOfFile> => ({
  id: erasure.id,
  people: erasure.people,
  status: statusOf(erasure),
  requested_on: date(erasure.createdAt),
})

export const showErasure = (erasure: Erasure): z.infer<typeof ShownErasure> => ({
  id: erasure.id,
  people: erasure.people,
  person_hash: erasure.personHash,
  status: statusOf(erasure),
  requested_on: date(erasure.createdAt),
  completed_on: dateOrNull(erasure.endedAt),
  removed: erasure.removed,
})

export const ErasuresQuery = KeysetQuery('erasure')

export const ShownErasures = z.object({
  erasures: z.array(ShownErasure),
  next: z.string().nullable(),
})

export const showErasures = (erasures: Erasure[], size: number): z.infer<typeof ShownErasures> => ({
  erasures: erasures.map(showErasure),
  next: erasures.length < size ? null : (erasures.at(-1)?.id ?? null),
})
