import fc from 'fast-check'

/** Statements that change rows of a workspace, as its requests might. */
export type Write = (workspace: number) => string[]

const group = (w: number, n: number) =>
  `(SELECT key FROM experience_groups WHERE workspace_id = ${w} ORDER BY key LIMIT 1 OFFSET ${n % 3})`
const ofWorkspace = (table: string, w: number) => `${table} WHERE workspace_id = ${w}`
const job = (w: number, n: number) =>
  `(SELECT key FROM ${ofWorkspace('jobs', w)} ORDER BY key LIMIT 1 OFFSET ${n % 4})`
const definition = (w: number) => `(SELECT key FROM ${ofWorkspace('group_definitions', w)} LIMIT 1)`
const renamed = (w: number, n: number, name: string) =>
  `UPDATE experience_groups SET name = ${name} WHERE key = ${group(w, n)}`

/** Numbers and texts that would not survive a way through JavaScript. */
const odd = [
  "'a' || char(0) || 'b'",
  "'😀\"\\'",
  '9007199254740993',
  '1.0',
  '-0.5e-300',
  '1e308',
  'NULL',
]
const oddOf = (n: number) => odd[n % odd.length] ?? 'NULL'

/** `n` chooses among rows. */
const writes: Record<string, (workspace: number, n: number) => string[]> = {
  member: (w, n) => [
    `INSERT INTO members (workspace_id, participant_id, group_key, added_rev, seen_rev)
      VALUES (${w}, 'm${n % 50}', ${group(w, n)}, 1, ${n})
      ON CONFLICT DO UPDATE SET seen_rev = excluded.seen_rev`,
  ],
  'no member': (w, n) => [
    `DELETE FROM members WHERE workspace_id = ${w} AND participant_id = 'm${n % 50}'`,
  ],
  'names in turn': (w, n) => [
    renamed(w, 0, `'between'`),
    renamed(w, 1, `'first ${n % 2}'`),
    renamed(w, 2, `'second'`),
    renamed(w, 1, `'third'`),
    renamed(w, 0, `'first ${n % 2}'`),
  ],
  user: (w, n) => [
    `INSERT INTO users (workspace_id, user_id, created_at) VALUES (${w}, 'u${n % 20}', ${n})
      ON CONFLICT DO NOTHING`,
    `INSERT INTO user_attributes (workspace_id, user_id, name, value, type, updated_at)
      VALUES (${w}, 'u${n % 20}', 'odd', ${oddOf(n)}, 'string', ${n})
      ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`,
  ],
  'no user': (w, n) => [
    `DELETE FROM user_attributes WHERE workspace_id = ${w} AND user_id = 'u${n % 20}'`,
    `DELETE FROM users WHERE workspace_id = ${w} AND user_id = 'u${n % 20}'`,
  ],
  sum: (w, n) => [
    `INSERT INTO group_attributes (definition_key, value, name, function, result)
      SELECT ${definition(w)}, 'v${n % 5}', 'sum', 'sum', ${oddOf(n)} WHERE ${definition(w)} IS NOT NULL
      ON CONFLICT DO UPDATE SET result = excluded.result`,
  ],
  problem: (w, n) => [
    `INSERT INTO job_problems (job_key, line, problem) VALUES (${job(w, n)}, ${n % 7}, 'format')
      ON CONFLICT DO UPDATE SET problem = 'columns'`,
  ],
  'another line': (w, n) => [
    `UPDATE job_problems SET line = line + ${1000 + n} WHERE job_key = ${job(w, n)} AND line < 1000`,
  ],
  'a job that is opened': (w, n) => [
    `INSERT INTO jobs (id, workspace_id, group_key, revision, type, state, file_name, file_key,
        file_size, slice_bytes, created_by, created_at, updated_at)
      SELECT 'job ' || max(key), ${w}, ${group(w, n)}, 1 + max(key), 'add', 'waiting', '', '', 1, 1, '', 1, 1
      FROM jobs`,
  ],
  'a job that is deleted': (w) => [
    `DELETE FROM jobs WHERE key = (SELECT max(key) FROM ${ofWorkspace('jobs', w)} AND id LIKE 'job %')`,
    `DELETE FROM job_problems WHERE job_key NOT IN (SELECT key FROM jobs)`,
  ],
  event: (w, n) => [
    `INSERT INTO events (workspace_id, id, type, at, data)
      SELECT ${w}, 'evt ' || max(key), 'group.created', ${n}, '{}' FROM events`,
  ],
}

export const write = fc.tuple(fc.constantFrom(...Object.values(writes)), fc.nat(1000)).map(
  ([write, n]) =>
    (workspace: number) =>
      write(workspace, n),
)
