/** Where something stands in a text: from `start`, up to and without `end`. */
export interface Span {
  start: number
  end: number
}

/** A source, and the same with all that is not of one kind blanked out: places are the same. */
export interface Source {
  text: string
  code: string
  sql: string
  pattern: string
  /** Templates that hold SQL, with their tag and backticks. */
  statements: Span[]
}

/** What stands for texts, so that no operator finds anything there. */
const filler = '\0'

const isSql = (text: string) =>
  /\b(?:SELECT|WHERE|UPDATE|INSERT|DELETE|AND|JOIN|NULL|json_\w+)\b/.test(text)

const blank = (text: string, by: string) => text.replaceAll(/[^\n]/g, by)

const token =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`|[{}]|\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/g

/** Reads TypeScript as text: what is code, what is SQL, and what is a regular expression. */
export function read(text: string): Source {
  const marks = { code: [] as Mark[], templates: [] as Span[], patterns: [] as Span[] }
  scan(text, 0, marks)
  const templates = marks.templates.filter((span) => isSql(text.slice(span.start, span.end)))
  return {
    text,
    code: withoutReading(marked(text, marks.code)),
    sql: only(text, templates),
    pattern: only(text, marks.patterns),
    statements: templates,
  }
}

interface Mark extends Span {
  by: string
}

/** Marks what is no code, to the end or to what closes a template's `${`; says where that was. */
function scan(
  text: string,
  from: number,
  marks: { code: Mark[]; templates: Span[]; patterns: Span[] },
): number {
  let depth = 0
  let at = from
  for (;;) {
    token.lastIndex = at
    const found = token.exec(text)
    if (found === null) return text.length
    const [word] = found
    const { index: start } = found
    at = start + word.length
    if (word === '{') depth++
    else if (word === '}') {
      if (depth-- === 0) return at
    } else if (word === '`') at = scanTemplate(text, start, marks)
    else if (word.startsWith('//') || word.startsWith('/*'))
      marks.code.push({ start, end: at, by: ' ' })
    else if (word.startsWith('/')) {
      if (/[\w)\]}] *$/.test(text.slice(Math.max(0, start - 20), start))) at = start + 1
      else {
        marks.patterns.push({ start, end: at })
        marks.code.push({ start, end: at, by: '_' })
      }
    } else marks.code.push({ start: start + 1, end: at - 1, by: '_' })
  }
}

function scanTemplate(text: string, start: number, marks: Parameters<typeof scan>[2]): number {
  let at = start + 1
  let piece = at
  while (at < text.length && text[at] !== '`')
    if (text[at] === '\\') at += 2
    else if (text.startsWith('${', at)) {
      marks.code.push({ start: piece, end: at, by: filler })
      at = scan(text, at + 2, marks)
      piece = at
    } else at++
  marks.code.push({ start: piece, end: at, by: filler })
  marks.templates.push({ start, end: at + 1 })
  return at + 1
}

const marked = (text: string, marks: Mark[]): string =>
  marks.reduce(
    (code, { start, end, by }) =>
      code.slice(0, start) + blank(code.slice(start, end), by) + code.slice(end),
    text,
  )

function only(text: string, spans: Span[]): string {
  const kept = spans.reduce(
    (view, { start, end }) => view.slice(0, start) + text.slice(start, end) + view.slice(end),
    blank(text, filler),
  )
  return kept
}

/** What is no behaviour: imports, types, log lines, and what the OpenAPI document says. */
const unread = [
  /^(?:import|export (?:type )?\{|export \*)[^\n]*(?:\n[^\n]*?)*?from '_*'$/gm,
  /^(?:export )?interface [\s\S]*?^}/gm,
  /^(?:export )?type \w[\s\S]*?(?=\n\n|\n(?:export|const|function|async|interface|type) |$(?![\s\S]))/gm,
  /^ *(?:description|summary|examples?|title|operationId|tags):[^\n]*/gm,
]
const unreadCalls = /\bconsole\.\w+\(|\.meta\(|\bdescribeRoute\(|\boperation\(/g

function withoutReading(code: string): string {
  const flat = unread.reduce(
    (view, pattern) => view.replace(pattern, (s) => blank(s, filler)),
    code,
  )
  return marked(
    flat,
    [...flat.matchAll(unreadCalls)].map(({ index, 0: { length } }) => ({
      start: index,
      end: closing(flat, index + length - 1),
      by: filler,
    })),
  )
}

/** Where the bracket at `open` has been closed. */
export function closing(view: string, open: number): number {
  let depth = 0
  for (let at = open; at < view.length; at++) {
    const char = view.charAt(at)
    if ('([{'.includes(char)) depth++
    if (')]}'.includes(char) && --depth === 0) return at + 1
  }
  return view.length
}
