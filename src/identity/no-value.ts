import { sql, type SQL } from 'drizzle-orm'
import { canonical, folded, lengthOf } from '../text.ts'
import { charactersFrom, collapsed, invisible } from './matching.ts'

/** Phrases for a missing value, joined as programs join words. */
const phrases = [
  ...['not available', 'not applicable', 'not provided', 'not set', 'not specified', 'not given'],
  ...['not known', 'not entered', 'not found', 'no value', 'no data', 'no address', 'no entry'],
  ...['no address provided', 'unknown address', 'address unknown', 'address not available'],
  ...[
    'to be determined',
    'to be announced',
    'to be confirmed',
    'prefer not to say',
    'invalid date',
  ],
].flatMap((phrase) => [' ', '  ', '_', '-', ''].map((by) => phrase.replaceAll(' ', by)))

/** Several missing values side by side, as a template writes them. */
const repeated = ['null', 'none', 'nil', 'n/a', 'nan', 'undefined', 'unknown', '[object object]']
  .flatMap((word) => [2, 3, 4].map((count) => Array.from({ length: count }, () => word)))
  .flatMap((words) =>
    [' ', ', ', ',', '; ', '/', ' / ', '|', '-', ' - '].map((by) => words.join(by)),
  )
  .map((text) => text.replace(/^\[|\]$/g, ''))

/** What exports, programs and people write for a missing value; none of it has a digit. */
export const defaultNoValues: readonly string[] = [
  ...['n/a', 'na', 'n.a', 'n\\a', 'n / a', 'n-a', 'n,a', 'n_a', 'n/d', 'null', 'nil', 'none'],
  ...['undefined', 'unknown', 'nan', 'nat', 'pd.na', 'unspecified', 'unavailable', 'unset'],
  ...['missing', 'empty', 'tbd', 'tba', ...phrases, ...repeated],
  ...['object object', 'object null', 'object undefined', 'object array', 'object promise'],
  // German, French, Spanish, Portuguese, Italian, Dutch, Polish, Turkish.
  ...['unbekannt', 'keine angabe', 'k.a', 'nicht angegeben', 'inconnu', 'inconnue'],
  ...['non renseigné', 'non disponible', 'desconocido', 'desconocida', 'no disponible'],
  ...['desconhecido', 'não informado', 'sconosciuto', 'non specificato', 'onbekend', 'n.v.t'],
  ...['nieznany', 'nie podano', 'bilinmiyor', 'неизвестно', 'нет данных', 'не указано'],
  ...[
    '不明',
    '未知',
    '未設定',
    '未登録',
    '未设置',
    '未填写',
    '無し',
    'なし',
    '该当なし',
    '該当なし',
  ],
  ...['없음', '알 수 없음', 'غير معروف', 'غير متوفر', 'ｎ／ａ', 'ｎｕｌｌ', 'ｎｏｎｅ'],
]

/** Errors and blanks of spreadsheets, and MySQL's NULL: compared with their signs. */
const phrasesWithSigns = [
  '(blank)',
  '<blank>',
  '#value!',
  '#name?',
  '#num!',
  '#ref!',
  '#error!',
  '#spill!',
  '\\n',
]

/** Blanks and other characters that show nothing. */
const blanks = [
  invisible,
  '\u0085\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufe0e\ufe0f\uffa0',
].join('')

/** Characters of which a missing value may consist, or be surrounded. */
const blanksAndPunctuation = [
  blanks,
  charactersFrom(0x21, 0x2f),
  charactersFrom(0x3a, 0x40),
  charactersFrom(0x5b, 0x60),
  charactersFrom(0x7b, 0x7e),
  '¡¦§¨«¯´¶·¸»¿־،؛؟٫٬٭−─━',
  charactersFrom(0x2010, 0x2027),
  charactersFrom(0x2030, 0x205e),
  charactersFrom(0x3001, 0x3003),
  charactersFrom(0x3008, 0x3011),
  charactersFrom(0x3014, 0x301f),
  '・',
  charactersFrom(0xff01, 0xff0f),
  charactersFrom(0xff1a, 0xff20),
  charactersFrom(0xff3b, 0xff40),
  charactersFrom(0xff5b, 0xff65),
].join('')

/** Values that count as none: lists with each item between line feeds, which none contains. */
export interface NoValues {
  /** Compared with the whole value without the blanks around it. */
  whole: string
  /** Compared with the value without blanks and punctuation around it. */
  within: string | undefined
  /** Characters of the longest item. */
  longest: number
  /** Whether an item has a digit. */
  digits: boolean
  /** Whether an item has capital letters beyond A to Z. */
  cased: boolean
}

const joinLines = (texts: Iterable<string>) =>
  `\n${[...new Set(texts)].map((text) => text.replaceAll('\n', ' ')).join('\n')}\n`

const stripEnds = (text: string, signs: string) => {
  let [from, to] = [0, text.length]
  while (from < to && signs.includes(text.charAt(from))) from++
  while (to > from && signs.includes(text.charAt(to - 1))) to--
  return text.slice(from, to)
}

const digit = /[0-9]/

const lower = (text: string) => text.replace(/[A-Z]+/g, (part) => part.toLowerCase())

/** A text in all its cases, as SQLite's `lower` leaves them: it changes only A to Z. */
const spellings = (text: string) =>
  [text, text.toUpperCase(), text.charAt(0).toUpperCase() + text.slice(1)].map(lower)

const defaults: NoValues = {
  whole: joinLines(phrasesWithSigns),
  within: joinLines(['', ...defaultNoValues.flatMap(spellings)]), // and punctuation alone
  longest: Math.max(...[...defaultNoValues, ...phrasesWithSigns].map(lengthOf)),
  digits: false,
  cased: false, // all spellings are listed
}

/** The values that count as none for a definition: its own list or the default, and blanks. */
export function noValues(own: readonly string[] | null, normalized: boolean): NoValues {
  if (own === null) return defaults
  const texts = own.map((text) => folded(canonical(text)))
  const items = normalized ? texts.map(collapsed) : texts
  // Items without letters keep their signs: -1 is not 1.
  const words = items
    .map((text) => stripEnds(text, blanksAndPunctuation))
    .filter((text) => /\p{L}/u.test(text))
  return {
    whole: joinLines(['', ...items]),
    within: words.length === 0 ? undefined : joinLines(words),
    longest: Math.max(0, ...items.map(lengthOf)),
    digits: items.some((text) => digit.test(text)),
    cased: !normalized && items.some((text) => lower(text.toUpperCase()) !== text),
  }
}

/** Whether a value counts as none. */
export function isNoValue(text: string, values = defaults): boolean {
  const value = canonical(text)
  if (!values.digits && digit.test(value)) return false
  const key = values.cased ? folded(value) : lower(value)
  const has = (list: string, signs: string) => {
    const part = stripEnds(key, signs)
    return lengthOf(part) <= values.longest && list.includes(`\n${part.replaceAll('\n', ' ')}\n`)
  }
  return (
    has(values.whole, blanks) ||
    (values.within !== undefined && has(values.within, blanksAndPunctuation))
  )
}

/** `isNoValue` in SQL, of a value and its folded form; without json_each, whose rows are billed. */
export function isNoValueSql(value: SQL, folded: SQL, values: NoValues): SQL {
  const key = values.cased ? folded : sql`lower(${value})`
  const has = (list: string, signs: string) => {
    const part = sql`trim(${key}, ${signs})`
    return sql`CASE WHEN length(${part}) > ${values.longest} THEN 0
      ELSE instr(${list}, char(10) || replace(${part}, char(10), ' ') || char(10)) > 0 END`
  }
  const isWhole = has(values.whole, blanks)
  const any =
    values.within === undefined
      ? isWhole
      : sql`(${has(values.within, blanksAndPunctuation)} OR ${isWhole})`
  return values.digits ? any : sql`CASE WHEN ${value} GLOB '*[0-9]*' THEN 0 ELSE ${any} END`
}
