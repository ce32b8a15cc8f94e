import type { ResumableRefusal } from '../failure.ts'

/** The statuses that tus 1.0 has beside those of a dialect. */
export type TusStatus = 400 | 404 | 409 | 412 | 413 | 415 | 423

/** Refusals of resumable uploads, as both dialects answer them (tus 1.0, "Core Protocol"). */
export function tusRefusal(refusal: ResumableRefusal): [status: TusStatus, sentence: string] {
  switch (refusal.is) {
    case 'version':
      return [412, 'Tus-Resumable must be 1.0.0']
    case 'content-type':
      return [415, 'Content-Type must be application/offset+octet-stream']
    case 'too-large':
      return [413, `The file cannot be larger than ${refusal.max} bytes`]
    case 'too-long':
      return [413, `The upload has ${refusal.length} bytes, and the request would send more`]
    case 'too-short':
      return [
        400,
        `A request must send at least ${refusal.least} bytes, or all that are left of the file`,
      ]
    case 'other-offset':
      return [409, 'The upload is at another offset: HEAD says where it goes on']
    case 'locked':
      return [423, 'Another request is sending this upload: try again in a few seconds']
    // Not 429, as tus-js-client tries 423 again.
    case 'crowded':
      return [423, 'There are too many uploads in progress: try again in a few seconds']
  }
}
