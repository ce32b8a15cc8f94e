import { closing, type Source, type Span } from './source.ts'

/** A kind of fault: where it can be made, and what then stands there. */
export interface Operator {
  name: string
  find: (source: Source) => Span[]
  put: (found: string) => string
}

type View = 'code' | 'sql' | 'pattern'
type Finder = Operator['find']

const each =
  (view: View, pattern: RegExp): Finder =>
  (source) =>
    [...source[view].matchAll(pattern)].map(({ index, 0: { length } }) => ({
      start: index,
      end: index + length,
    }))

/** From the match, which ends in an open bracket, to where that is closed, if `then` follows. */
const closed =
  (view: View, pattern: RegExp, then = /^/): Finder =>
  (source) =>
    each(
      view,
      pattern,
    )(source)
      .map(({ start, end }) => ({ start, end: closing(source[view], end - 1) }))
      .filter(({ end }) => then.test(source[view].slice(end, end + 2)))

/** Of these, what stands where a statement does. */
const statements =
  (finder: Finder): Finder =>
  (source) =>
    finder(source).filter(({ start }) =>
      /(?:[{};\w)\]'`]|^)\s*$/.test(source.code.slice(Math.max(0, start - 200), start)),
    )

/** `if (…) return …`, to the end of its statement. */
const early: Finder = (source) =>
  closed(
    'code',
    /^ *(?:else )?if \(/gm,
  )(source).flatMap(({ start, end }) => {
    const found = /^\s+(?:return|throw|continue|break)\b[^\n]*/.exec(source.code.slice(end))
    if (found === null) return []
    const line = end + found[0].length
    const open = /[([{]$/.test(found[0]) ? closing(source.code, line - 1) : line
    return [{ start, end: open }]
  })

/** Each condition of a WHERE, an ON, an AND or an OR. */
const conditions =
  (word: RegExp): Finder =>
  ({ sql }) =>
    [...sql.matchAll(word)].flatMap(({ index, 0: { length } }) => {
      const start = index + length
      const end = endOfCondition(sql, start)
      return /\bBETWEEN\b|^true$/.test(sql.slice(start, end)) ? [] : [{ start, end }]
    })

const clauses = [
  ...['AND', 'OR', 'ON', 'WHERE', 'FROM', 'JOIN', 'LEFT', 'CROSS', 'UNION', 'THEN'],
  ...['ORDER', 'GROUP', 'HAVING', 'LIMIT', 'RETURNING'],
]
const stop = new RegExp(`^(?:[,)\`\\0]|\\s+(?:${clauses.join('|')})\\b|\\s*$)`)

function endOfCondition(sql: string, start: number): number {
  for (let at = start; at < sql.length; at++) {
    if ('({'.includes(sql.charAt(at))) at = closing(sql, at) - 1
    else if (stop.test(sql.slice(at, at + 40))) return at
  }
  return sql.length
}

/** The arguments of a call, as they stand. */
function argumentsOf(call: string): string[] {
  const inner = call.slice(call.indexOf('(') + 1, -1)
  const ends: number[] = []
  for (let at = 0; at < inner.length; at++)
    if ('([{'.includes(inner.charAt(at))) at = closing(inner, at) - 1
    else if (inner.charAt(at) === ',') ends.push(at)
  return [...ends, inner.length].map((end, i) => inner.slice((ends[i - 1] ?? -1) + 1, end).trim())
}

const swap = (view: View, pairs: [string, string][]): Operator[] =>
  pairs
    .flatMap(([a, b]) => [
      [a, b],
      [b, a],
    ])
    .map(([from = '', to = '']) => ({
      name: `${from.trim()} → ${to.trim()}${view === 'sql' ? ' (SQL)' : ''}`,
      find: each(view, new RegExp(RegExp.escape(from), 'g')),
      put: () => to,
    }))

/** By one; of a large number nobody would see that. */
const changed = (sign: 1 | -1) => (found: string) =>
  found.replace(/\d[\d_]*/, (digits) => {
    const n = Number(digits.replaceAll('_', ''))
    return `${n < 1000 ? Math.abs(n + sign) : sign > 0 ? n * 2 : Math.floor(n / 2)}`
  })
const number = (name: string, view: View, pattern: RegExp): Operator[] =>
  ([1, -1] as const).map((sign) => ({
    name: `${name} ${sign > 0 ? 'more' : 'less'}`,
    find: each(view, pattern),
    put: changed(sign),
  }))

const remove = (name: string, find: Finder, put = ''): Operator => ({ name, find, put: () => put })

/** Steps of a chain of calls that leave something out, or bring it into an order or a shape. */
const steps = [
  ...['filter', 'slice', 'subarray', 'flat', 'sort', 'toSorted', 'reverse', 'toReversed'],
  ...['trim\\w*', 'to\\w+Case', 'normalize', 'replace\\w*'],
  ...['min', 'max', 'int', 'positive', 'nonnegative', 'length', 'strict', 'refine', 'regex'],
  ...['transform', 'where', 'limit', 'orderBy', 'onConflictDoNothing'],
]

const inCode: Operator[] = [
  ...swap('code', [
    [' < ', ' <= '],
    [' > ', ' >= '],
    [' === ', ' !== '],
    [' == ', ' != '],
    [' && ', ' || '],
    [' + ', ' - '],
    [' * ', ' / '],
    [' += ', ' -= '],
    ['Math.min(', 'Math.max('],
    ['.some(', '.every('],
    ['.startsWith(', '.endsWith('],
    ['.replicaOf(', '.databaseOf('],
    ['.at(-1)', '.at(0)'],
  ]),
  remove('replica → primary', each('code', /(?<=\bvar\.)replica\b/g), 'db'),
  remove('case removed', each('code', /^ *case '_*':\n/gm)),
  remove('true → false', each('code', /\btrue\b/g), 'false'),
  remove('false → true', each('code', /\bfalse\b/g), 'true'),
  ...number(
    'number',
    'code',
    /(?<![\w.$-])(?!(?:20\d|30\d|4[0-2]\d|50[0-4])\b)\d[\d_]*(?![\w.]|n\b)/g,
  ),
  remove('! dropped', each('code', /(?<![\w!)\]])!(?=[\w(])/g)),
  remove('await → void', each('code', /(?<=^ *)await (?=[\w.]+\()/gm), 'void '),
  remove('return → void', each('code', /\breturn (?=[\w.]+\()/g), 'void '),
  remove('call removed', statements(closed('code', /^ *(?:await )?\w[\w.]*\(/gm, /^\n/))),
  remove('element removed', closed('code', /^ *(?:\.\.\.)?\w[\w.]*\(/gm, /^,\n/)),
  remove('element removed', each('code', /^ *(?:\.\.\.\w[\w.]*|jsonBody),\n/gm)),
  remove('property removed', each('code', /^ *\w+: (?![\w. |[\]]+,\n|z\b)[^\n]*,\n/gm)),
  remove('early end removed', early),
  remove('?? dropped', each('code', / \?\? (?:'_*'|[\w.]+|\[\]|\{\})(?![\w(])/g)),
  {
    name: 'branches swapped',
    find: each('code', /(?<= )\? [^?:\n{}`,]+ : [^?:\n{}`,)\]]+/g),
    put: (found) => found.replace(/^\? (.*) : (.*)$/, '? $2 : $1'),
  },
  remove(
    'step of a chain removed',
    closed('code', new RegExp(`\\s*\\.(?:${steps.join('|')})\\(`, 'g')),
  ),
  {
    name: 'statement does nothing',
    find: ({ code, statements: found }) =>
      found
        .filter(
          ({ start, end }) =>
            /^ *sql$/m.test(
              code
                .slice(start - 20, start)
                .split('\n')
                .at(-1) ?? '',
            ) && code.startsWith(',\n', end),
        )
        .map(({ start, end }) => ({ start, end })),
    put: () => '`SELECT 1`',
  },
]

const inSql: Operator[] = [
  ...swap('sql', [
    [' < ', ' <= '],
    [' > ', ' >= '],
    [' + ', ' - '],
    ['min(', 'max('],
    [' IS NULL', ' IS NOT NULL'],
  ]),
  ...number('number (SQL)', 'sql', /(?<![\w.$'{(-])\d[\d_]*(?![\w.'])/g),
  remove('condition dropped', conditions(/\b(?:WHERE|AND|ON(?! CONFLICT))\s+/g), 'true'),
  remove('alternative dropped', conditions(/\bOR\s+(?!IGNORE|REPLACE|ABORT)/g), 'false'),
  remove('NOT dropped', each('sql', /\bNOT (?!NULL)/g)),
  remove('EXISTS → NOT EXISTS', each('sql', /(?<!NOT )\bEXISTS\b/g), 'NOT EXISTS'),
  remove('DESC dropped', each('sql', / DESC\b/g)),
  {
    name: 'order flipped',
    find: each('sql', /ORDER BY [\w.]+(?![\w.(]| DESC)/g),
    put: (found) => `${found} DESC`,
  },
  ...(['+', '-'] as const).map((sign) => ({
    name: `LIMIT ${sign} 1`,
    find: each('sql', /\bLIMIT \$\{[^{}]+\}/g),
    put: (found: string) => `${found} ${sign} 1`,
  })),
  {
    name: 'coalesce dropped',
    find: closed('sql', /\bcoalesce\(/g),
    put: (found) => `(${argumentsOf(found)[0] ?? ''})`,
  },
  {
    name: 'iif swapped',
    find: closed('sql', /\biif\(/g),
    put: (found) => {
      const [test = '', yes = '', no = 'NULL'] = argumentsOf(found)
      return `iif(${test}, ${no}, ${yes})`
    },
  },
  remove('DISTINCT dropped', each('sql', /\bDISTINCT /g)),
  remove('LEFT JOIN → JOIN', each('sql', /\bLEFT JOIN\b/g), 'JOIN'),
  remove('UNION ALL → UNION', each('sql', /\bUNION ALL\b/g), 'UNION'),
  remove('state dropped', each('sql', /, '\w+'(?=[,)])/g)),
  remove(
    'assignment dropped',
    each('sql', /,\s+\w+ = (?:\$\{[^{}]+\}|[\w.]+(?: [+-] [\w.]+)?)(?=,|\s+(?:WHERE|FROM)|\s*`)/g),
  ),
]

const inPatterns: Operator[] = [
  ...number('count of a pattern', 'pattern', /(?<=\{)\d+(?=[,}])|(?<=\{\d*,)\d+(?=\})/g),
  remove('end of a pattern dropped', each('pattern', /\$(?=\/)/g)),
  remove('start of a pattern dropped', each('pattern', /(?<=^|[^\\])(?<=\/)\^/g)),
]

export const operators: readonly Operator[] = [...inCode, ...inSql, ...inPatterns]
