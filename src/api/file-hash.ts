import { z } from 'zod'

/** Which file it was, as its client may check it. */
export const FileSha256 = z
  .string()
  .regex(/^[\da-f]{64}$/)
  .meta({
    description:
      'SHA-256 of the file, byte by byte as it was sent: gzip and UTF-16 are not undone before. A ' +
      'Content-Encoding of the whole request is, as it is not part of the file. Jobs without a ' +
      'file have none, nor do those of earlier versions.',
  })
