import type { Json } from './api.ts'

export const environment = 'production'

/** A batch that says these attributes of the user 1. */
export const ann = (attributes: Json, more: Json = {}): Json => ({
  mpid: '1',
  environment,
  user_attributes: attributes,
  ...more,
})

/** When what a batch says was so, in milliseconds. */
export const at = (ms: number) => ({ timestamp_unixtime_ms: ms })

/** A refusal of the events endpoints, as `said` returns it. */
export const refusedEvents = (message: unknown, code = 'BAD_REQUEST', status = 400): Json => ({
  status,
  errors: [{ code, message }],
})
