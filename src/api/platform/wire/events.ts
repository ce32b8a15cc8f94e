import { z } from 'zod'
import { failureReasons, refusalReasons, type EventData } from '../../../webhooks/event.ts'

const Group = z.object({ group_id: z.uuid(), name: z.string() })
const Definition = z.object({ definition_id: z.string() })
const Client = z.object({ client_id: z.uuid(), name: z.string() })
const Applied = z.object({
  group_id: z.uuid(),
  job_id: z.uuid(),
  type: z.enum(['ADD', 'REMOVE', 'REPLACE', 'REVERT']),
  revision: z.int(),
  added: z.int(),
  removed: z.int(),
  unchanged: z.int(),
  failed: z.int(),
})

const Person = z.object({
  person_hash: z.string().meta({ description: 'Stands for the user, whose id no event has.' }),
})
const Experiment = z.object({ experiment_id: z.string() })
const OfVersion = Experiment.extend({ version: z.int() })
const Audience = z.object({ audience_id: z.string() })
const Filled = Audience.extend({ group_id: z.uuid() })
const Webhook = z.object({ webhook_id: z.uuid() })
const Job = z.object({ job_id: z.uuid(), group_id: z.uuid().nullable() })
const Upload = z.object({ upload_id: z.uuid(), group_id: z.uuid().nullable() })
const GroupJob = z.object({ job_id: z.uuid(), group_id: z.uuid() })
const Erasure = z.object({
  erasure_id: z.uuid(),
  people: z.int(),
  person_hash: z.string().nullable(),
})

/** The types of events: when each happens, and its data. */
export const eventTypes = {
  'group.created': ['An experience group was created', Group],
  'group.updated': ['The name, description or guard of an experience group was changed', Group],
  'group.deleted': ['An experience group was deleted', z.object({ group_id: z.uuid() })],
  'group.participants.changed': ['The changes of a job to an experience group went live', Applied],
  'group.reverted': [
    'What a revision had changed in an experience group was taken back by a later one',
    GroupJob.extend({ reverted: z.int(), revision: z.int() }),
  ],
  'group.exported': [
    'The participants of an experience group were exported as a file',
    z.object({ group_id: z.uuid() }),
  ],
  'job.created': [
    'An uploaded file or a revert was accepted; group_id is null for a file of users',
    Job.extend({ type: z.enum(['ADD', 'REMOVE', 'REPLACE', 'REVERT', 'USERS']) }),
  ],
  'job.failed': [
    'A job failed; group_id is null for a file of users',
    Job.extend({ reason: z.enum(failureReasons) }),
  ],
  'job.held': [
    'A job waits to be published or cancelled: it is a preview, or would remove too many',
    GroupJob.extend({ added: z.int(), removed: z.int() }),
  ],
  'job.published': ['The changes of a held job went live by a request', GroupJob],
  'job.cancelled': [
    'A job was cancelled: by a request, after the days for which it was held, as its group was ' +
      'deleted, or as its audience no longer fills the group',
    GroupJob,
  ],
  'job.exported': [
    'Those whom a job adds or removes were exported as a file',
    GroupJob.extend({ what: z.enum(['added', 'removed']) }),
  ],
  'upload.created': [
    'A resumable upload was created; group_id is null for a file of users',
    Upload,
  ],
  'upload.deleted': [
    'A resumable upload was deleted by a request, or ended as its file is no list; group_id is ' +
      'null for a file of users',
    Upload,
  ],
  'user.updated': ['Attributes of a user were set by a request', Person],
  'user.deleted': ['A user was deleted', Person],
  'users.reported': [
    'What SDKs have reported of users was written',
    z.object({ reports: z.int() }),
  ],
  'users.imported': [
    'A file of users was applied',
    z.object({
      job_id: z.uuid(),
      users_created: z.int(),
      attributes_changed: z.int(),
      failed: z.int(),
    }),
  ],
  'definition.created': ['A group definition was created', Definition],
  'definition.updated': ['A group definition was changed', Definition],
  'definition.deleted': [
    'A group definition was deleted, and the attributes that users inherited by it',
    Definition,
  ],
  'recompute.requested': [
    'A recompute of a definition was requested, beside that of every Monday',
    Definition.extend({ run_id: z.uuid() }),
  ],
  'household.recomputed': [
    'The groups of a definition were formed again: all of them by a run, or those of the last ' +
      'minute whose users have changed, of which there is no figure',
    Definition.extend({
      run_id: z.uuid().nullable(),
      groups: z.int().nullable(),
      users_seated: z.int().nullable(),
      users_over_limit: z.int().nullable(),
      rows_changed: z.int().nullable(),
    }),
  ],
  'household.merged': [
    'The members of a group were put into another one by hand',
    Definition.extend({ corrections: z.int() }),
  ],
  'household.split': [
    'Members of a group were put into another one by hand',
    Definition.extend({ corrections: z.int() }),
  ],
  'correction.created': [
    'It was said by hand where a user belongs',
    Definition.extend(Person.shape),
  ],
  'correction.deleted': [
    'What was said by hand of where a user belongs was taken back',
    Definition.extend(Person.shape),
  ],
  'audience.created': ['An audience was created', Audience],
  'audience.updated': ['An audience was changed', Audience],
  'audience.deleted': ['An audience was deleted', Audience],
  'audience.attached': ['An audience was attached to the experience group that it fills', Filled],
  'audience.detached': ['An audience was detached from its experience group', Filled],
  'audience.exported': ['The users of an audience were exported as a file', Audience],
  'sync.requested': [
    'A sync of an audience was requested, beside that of its day or week',
    Audience.extend({ job_id: z.uuid() }),
  ],
  'audience.synced': [
    'An audience has filled its experience group',
    Applied.extend({ audience_id: z.string() }),
  ],
  'webhook.created': ['A webhook was created', Webhook],
  'webhook.updated': ['A webhook was changed', Webhook],
  'webhook.deleted': ['A webhook was deleted', Webhook],
  'webhook.enabled': ['A webhook was enabled', Webhook],
  'webhook.paused': ['A webhook was disabled by a request', Webhook],
  'experiment.created': ['An experiment was created', Experiment],
  'experiment.updated': ['An experiment was changed', OfVersion],
  'experiment.started': ['An experiment was started, or goes on after a pause', OfVersion],
  'experiment.paused': ['An experiment was paused', Experiment],
  'experiment.ended': ['An experiment was ended', Experiment],
  'experiment.deleted': ['An experiment was deleted', Experiment],
  'experiment.exported': [
    'The variants of the members of a group, or the exposures, were exported as a file',
    Experiment.extend({ what: z.enum(['assignments', 'exposures']) }),
  ],
  'experiment.imbalanced': [
    'So many participants were exposed to each variant that the weights do not explain it (p < 0.001): ' +
      'a sample ratio mismatch; sent once for each version',
    OfVersion.extend({ observed: z.record(z.string(), z.int()), p: z.number() }),
  ],
  'exposures.reported': [
    'Exposures to the variants of experiments were written',
    z.object({ exposures: z.int() }),
  ],
  'erasure.requested': ['The erasure of people was requested', Erasure],
  'person.erased': [
    'People were erased: how many things of each kind; digest is the SHA-256 of the other fields as ' +
      'JSON, as they are',
    Erasure.extend({
      removed: z.record(z.string(), z.int()),
      requested_on: z.iso.datetime(),
      completed_on: z.iso.datetime(),
      digest: z.string(),
    }),
  ],
  'webhook.disabled': [
    'A webhook was disabled: its receiver answered 410 (gone), or every attempt of five days failed (failing)',
    Webhook.extend({ reason: z.enum(['gone', 'failing']) }),
  ],
  'webhook.rotated': ['A webhook was given a new secret', Webhook],
  'webhook.replayed': [
    'Events of a period were sent to a webhook again',
    Webhook.extend({
      since: z.iso.datetime(),
      until: z.iso.datetime(),
      only: z.enum(['failed', 'all']),
    }),
  ],
  'webhook.test': ['A test of a webhook was requested (POST …/test)', Webhook],
  'delivery.retried': [
    'An event was sent to a webhook again',
    Webhook.extend({ event_id: z.string() }),
  ],
  'client.created': ['A client was registered', Client.extend({ scopes: z.array(z.string()) })],
  'client.rotated': ['A client was given a new secret', Client],
  'client.deleted': ['A client was deleted, and its tokens revoked', Client],
  'client.person.added': [
    'Somebody may sign in to the console as this client, by Cloudflare Access',
    Client.extend(Person.shape),
  ],
  'client.person.removed': [
    'Somebody may sign in to the console as this client no more',
    Client.extend(Person.shape),
  ],
  'token.revoked': ['The tokens that a client was issued until now were revoked', Client],
  'token.refused': [
    'A client was refused, for the first time in an hour: its secret was wrong (secret), it has ' +
      'expired, or its token was revoked',
    Client.extend({ reason: z.enum(refusalReasons) }),
  ],
} satisfies { [Type in keyof EventData]: [summary: string, data: z.ZodType<EventData[Type]>] }
