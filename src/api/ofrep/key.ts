import { canonical } from '../../text.ts'

const prefix = '/ofrep/v1/evaluate/flags/'

/** The flag of a request: its key as refusals repeat it, and what may be meant, likeliest first. */
export interface RequestedFlag {
  key: string
  spellings: string[]
}

/**
 * The flag that a URL names; undefined for all flags. Not all providers encode the key: it may hold
 * slashes and question marks.
 */
export function requestedFlag(url: string): RequestedFlag | undefined {
  const rest = afterPrefix(url)
  const [path = '', ...more] = rest.split('?')
  const query = more.join('?')
  const isNoQuery = more.length > 0 && !query.includes('=')
  const key = decoded(isNoQuery ? rest : path)
  if (key === '') return undefined
  const written = more.length === 0 ? [path] : isNoQuery && query !== '' ? [rest] : [rest, path]
  const spellings = new Set(written.flatMap(spellingsOf))
  return { key, spellings: [...spellings].filter((spelling) => spelling !== '') }
}

/** The path as routes see it, in which a flag's key is one segment. */
export function routedPath(url: string, path: string): string {
  const flag = requestedFlag(url)
  return flag === undefined ? path : prefix + encodeURIComponent(flag.key.toWellFormed())
}

/** The spelling by which a group or an experiment was found. */
export const spelled = (
  { key, spellings }: RequestedFlag,
  { id, name }: { id: string; name: string },
): string =>
  spellings.find(
    (spelling) =>
      [spelling, canonical(spelling)].includes(name) || canonical(spelling).toLowerCase() === id,
  ) ?? key

function afterPrefix(url: string): string {
  const start = url.indexOf('/', url.indexOf(':') + 4)
  return url.startsWith(prefix, start) ? url.slice(start + prefix.length) : ''
}

// What `URL` encodes by itself (WHATWG URL, "path percent-encode set").
const encodedByUrls = /(?:%(?:[01][\da-f]|20|22|3c|3e|5e|60|7b|7d|7f|[89a-f][\da-f]))+/gi

/** Texts that may stand in a URL as `written`. */
const spellingsOf = (written: string): string[] => [
  decoded(written),
  decoded(written, encodedByUrls),
  written,
  decoded(written.replaceAll('+', ' ')),
  decoded(written.replaceAll('/', '\\')), // `URL` turns `\` into `/`
]

/** Decodes percent sequences that are UTF-8, and leaves others. */
const decoded = (text: string, sequences = /(?:%[\da-f]{2})+/gi): string =>
  text.replace(sequences, (sequence) => {
    try {
      return decodeURIComponent(sequence)
    } catch {
      return sequence.replace(/%[0-7][\da-f]/gi, decodeURIComponent)
    }
  })
