import { z } from 'zod'
import type { ExperimentChange } from '../../../experiments/change.ts'
import { idPattern, type Experiment, type Forced } from '../../../experiments/experiments.ts'
import { shards } from '../../../experiments/shard.ts'
import { canonical, isUuid, readId } from '../../../text.ts'
import { Description, Name } from '../../name.ts'
import { date, showExact } from './values.ts'

const Share = (description: string) => {
  const sentence = `must be a whole number from 0 to ${shards}`
  return z.int(sentence).min(0, sentence).max(shards, sentence).meta({ description })
}

const Id = (min: number, allowed: RegExp, characters: string) =>
  z
    .string()
    .regex(allowed, `must be ${min} to 64 characters of ${characters}, 0-9, _, . and -`)
    .meta({ minLength: min, maxLength: 64 })

const AnyCase = Id(1, /^[A-Za-z0-9_.-]{1,64}$/, 'a-z, A-Z')

const Layer = z.object({
  id: AnyCase,
  from: Share('Of the shards of the layer, the first that takes part.'),
  to: Share('The first after those that take part.'),
})

const Holdout = z.object({
  id: AnyCase,
  share: Share('Shards of the holdout, from the first, that take part in none of its experiments.'),
})

const Weight = Share('Shards of the split: those of all variants sum to 10000.')

const Value = z.unknown().meta({
  type: ['string', 'number', 'boolean', 'object'],
  description:
    'A string, number, boolean or object: of one type in all variants, which never changes. Together ' +
    'at most 16 KiB of JSON, each at most 100 levels deep. Whole numbers keep all of their digits.',
})

const GivenVariant = z.object({
  id: AnyCase,
  weight: Weight,
  value: Value.optional().meta({
    description: 'What the variant gives. If left out: as before, or else the id of the variant.',
  }),
  forced: z
    .array(z.string())
    .max(1000, 'cannot be more than 1000 ids')
    .optional()
    .meta({
      description:
        'Participants who get this variant whatever is drawn, and whether or not they are in the group. ' +
        'If left out: as before.',
    }),
})

const unitProblem = 'must be participant or the id of a group definition'

export const ExperimentSettings = z.object({
  name: Name(100).optional(),
  description: Description,
  group_id: z
    .uuid('must be a uuid')
    .transform((id) => id.toLowerCase())
    .nullish()
    .meta({ description: 'The experience group that takes part; if null, everybody does.' }),
  unit: z
    .string()
    .transform((text, { addIssue }) => {
      const read = readId(text, 32)
      if ('id' in read) return read.id
      addIssue({ code: 'custom', message: unitProblem })
      return z.NEVER
    })
    .optional()
    .meta({
      description:
        'What is drawn: participant, or the groups of a group definition, whose members all get one ' +
        'variant.',
    }),
  variants: z
    .array(GivenVariant)
    .min(2, 'must be at least 2')
    .max(100, 'cannot be more than 100')
    .optional()
    .meta({
      description:
        'The shards of the split go to the variants in this order. Once the experiment has started ' +
        'they keep their shards, and the order means nothing.',
    }),
  control: AnyCase.optional().meta({
    description:
      'The variant whose value they get who take no part. Of a new experiment by default the first.',
  }),
  traffic: Share('Shards, from the first, that take part.').optional(),
  layer: Layer.refine(({ from, to }) => from < to, {
    path: ['to'],
    message: 'must be greater than layer.from',
  })
    .nullish()
    .meta({
      description:
        'A share of a layer, of which no other experiment under way may have a part: their participants differ.',
    }),
  holdout: Holdout.nullish().meta({
    description: 'Has one share in all experiments under way: who is in it takes part in none.',
  }),
})

export const NewExperiment = ExperimentSettings.extend({
  id: Id(3, idPattern, 'a-z').refine((id) => !isUuid(id), 'cannot have the form of a UUID'),
  name: Name(100),
  variants: ExperimentSettings.shape.variants.unwrap(),
})

export const ExperimentChanges = ExperimentSettings.extend({
  new_version: z
    .boolean('must be true or false')
    .optional()
    .meta({
      description:
        'true: all participants are drawn anew. Of an experiment under way, the ids and weights of ' +
        'variants, unit, group_id, the id of the layer, and holdout change only so.',
    }),
})

/** The id of the experiment that a path names. */
export const idOf = ({ req }: { req: { param: (name: 'experiment_id') => string } }) =>
  canonical(req.param('experiment_id'))

const participants = 'participant'

/** The fields that are given, in our words. */
export const changeOf = ({
  group_id,
  unit,
  new_version,
  ...settings
}: z.infer<typeof ExperimentChanges>): ExperimentChange => ({
  ...settings,
  description: settings.description === '' ? null : settings.description,
  group: group_id,
  unit: unit === participants ? null : unit,
  newVersion: new_version,
})

const ShownVariant = z.object({
  id: z.string(),
  weight: Weight,
  value: Value,
  forced: z.array(z.string()).optional().meta({ description: 'Not in lists.' }),
})

export const ShownExperiment = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string().optional(),
  group_id: z.uuid().optional(),
  unit: z.string(),
  variants: z.array(ShownVariant),
  control: z.string(),
  traffic: z.int(),
  layer: Layer.optional(),
  holdout: Holdout.optional(),
  status: z.enum(['draft', 'running', 'paused', 'ended']),
  version: z.int().meta({ description: 'From 1; with each further one all are drawn anew.' }),
  created_on: z.iso.datetime(),
  created_by: z.string(),
  last_modified_on: z.iso.datetime(),
  last_modified_by: z.string(),
})

export const showExperiment = (
  experiment: Experiment,
  forced?: Forced,
): z.infer<typeof ShownExperiment> => ({
  id: experiment.id,
  name: experiment.name,
  ...(experiment.description !== null && { description: experiment.description }),
  ...(experiment.group !== null && { group_id: experiment.group }),
  unit: experiment.unit ?? participants,
  variants: experiment.variants.map(({ id, from, to, value }) => ({
    id,
    weight: to - from,
    value: showExact(value),
    ...(forced !== undefined && { forced: forced.get(id) ?? [] }),
  })),
  control: experiment.control,
  traffic: experiment.traffic,
  ...(experiment.layer !== null && { layer: experiment.layer }),
  ...(experiment.holdout !== null && { holdout: experiment.holdout }),
  status: experiment.status,
  version: experiment.version,
  created_on: date(experiment.createdAt),
  created_by: experiment.createdBy,
  last_modified_on: date(experiment.updatedAt),
  last_modified_by: experiment.updatedBy,
})
