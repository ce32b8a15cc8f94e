import type { z } from 'zod'
import { refusalOfShape } from '../valid.ts'

/** What a form says, checked as the JSON of the same request is. Throws as `valid` does. */
export function shaped<Schema extends z.ZodType>(schema: Schema, said: unknown): z.output<Schema> {
  const { data, error } = schema.safeParse(said)
  if (error !== undefined) throw refusalOfShape(error.issues[0], said)
  return data as z.output<Schema> // as there is no error
}
