/** How anybody finds a participant's variant without us; src/README.md says it at more length. */
export const split = `
A participant has the variant whose range holds its shard. The shard of a key under a salt
(\`md5-shard-v1\`) is the first four bytes of MD5 over the UTF-8 of \`salt-key\`, as an unsigned
big-endian integer, modulo 10000. The key is the participant's id, trimmed and in NFC, or, where the
unit is a group definition, the value of its household. The checks, in their order: the experiment is
running; no variant is forced; the participant is in the group; it has a key; the shard of
\`holdout-{holdout}\` is not below the holdout's share; that of \`layer-{layer}\` is in the layer's
range; that of \`traffic-{experiment}-v{version}\` is below the traffic. Then the shard of
\`split-{experiment}-v{version}\` is in the range of one variant.

| salt      | key   | shard |
| --------- | ----- | ----- |
| traffic-x | alice | 8409  |
| traffic-x | bob   | 944   |
| split-x   | alice | 5293  |
| split-x   | bob   | 7979  |
| split-x   | josé  | 5303  |
| split-x   | 李雷  | 6127  |
| split-x   | 😀    | 7820  |

In one line, of a salt and a key:

\`\`\`sql
-- PostgreSQL
('x' || left(md5(convert_to(salt || '-' || key, 'UTF8')), 8))::bit(32)::bigint % 10000
-- BigQuery
MOD(CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT(salt, '-', key))), 1, 8)) AS INT64), 10000)
-- Snowflake
MOD(TO_NUMBER(LEFT(MD5(salt || '-' || key), 8), 'XXXXXXXX'), 10000)
\`\`\`

\`\`\`python
int(hashlib.md5(f"{salt}-{key}".encode()).hexdigest()[:8], 16) % 10000
\`\`\`

\`\`\`sh
echo $((0x$(printf %s "$salt-$key" | openssl md5 -r | cut -c1-8) % 10000))
\`\`\`
`.trim()
