// What src/db takes for granted, and Node's types do not know.
type D1Database = import('@cloudflare/workers-types').D1Database
type D1PreparedStatement = import('@cloudflare/workers-types').D1PreparedStatement
type D1Result<T = unknown> = import('@cloudflare/workers-types').D1Result<T>
