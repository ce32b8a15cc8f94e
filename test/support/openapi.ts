import type { OasSchema31 } from '@hyperjump/json-schema/openapi-3-1'
import { expect } from 'vitest'
import { call, type Json } from './api.ts'

type Answers = Record<
  string,
  { description: string; headers?: Json; content?: Record<string, { schema: OasSchema31 }> }
>
export interface Operation {
  operationId: string
  tags: string[]
  responses: Answers
  security: Record<string, string[]>[]
  parameters?: { in: string; name: string; required?: boolean }[]
  requestBody?: { required?: boolean; content: Json }
}
export interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  webhooks: Record<string, Record<string, Operation>>
  tags: { name: string; description: string }[]
  components: { securitySchemes: Json }
}

/** The Worker's OpenAPI document, and each operation by method and path. */
export async function published(): Promise<{
  document: Document
  operations: [name: string, Operation][]
}> {
  const answer = await call('/openapi.json')
  expect(answer.status).toBe(200)
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  const document = await answer.json<Document>()
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
  return { document, operations }
}
