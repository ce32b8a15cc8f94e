/** Keys of the shards never meet: each shard's begin above its number times this. */
export const keysOfShard = 2 ** 40

/** Of D1's own tables keys are nobody's. */
const counted = `m.type = 'table' AND m.sql LIKE '%AUTOINCREMENT%' AND m.name NOT LIKE 'd1_%'`

/** SQL that counts the tables that number their rows, and those whose next key may be another shard's. */
export const countKeys = (shard: number): string => `
  SELECT count(*) AS tables, count(*) FILTER (WHERE coalesce(s.seq, 0) < ${shard * keysOfShard}) AS unset
  FROM sqlite_master AS m LEFT JOIN sqlite_sequence AS s ON s.name = m.name
  WHERE ${counted}`

/** SQL by which the next key of each table is above those of the shards before. Safe to repeat. */
export const setKeys = (shard: number): string[] => [
  `INSERT INTO sqlite_sequence (name, seq)
  SELECT m.name, 0 FROM sqlite_master AS m
  WHERE ${counted} AND m.name NOT IN (SELECT name FROM sqlite_sequence)`,
  `UPDATE sqlite_sequence SET seq = ${shard * keysOfShard}
  WHERE seq < ${shard * keysOfShard} AND name NOT LIKE 'd1_%'`,
]
