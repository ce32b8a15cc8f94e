import { canonical } from '../../text.ts'

const face = '/ofrep/v1/evaluate/flags/'

/** Which flag a request asks for: as refusals repeat it, and what it may be called, the likeliest first. */
export interface FlagAsked {
  key: string
  spellings: string[]
}

/**
 * The flag that a URL asks for; undefined where it asks for none or for all. Providers write a key into the path as it is, or encode it:
 * slashes belong to it, and what looks like a query may. `#` and what follows, and steps of dots, never arrive.
 */
export function flagAsked(url: string): FlagAsked | undefined {
  const rest = afterFace(url)
  const [path = '', ...more] = rest.split('?')
  const query = more.join('?')
  const named = more.length > 0 && !query.includes('=')
  const key = decoded(named ? rest : path)
  if (key === '') return undefined
  const asked = more.length === 0 ? [path] : named && query !== '' ? [rest] : [rest, path]
  return { key, spellings: [...new Set(asked.flatMap(spellingsOf))].filter((one) => one !== '') }
}

/** The path as routes see it: a flag's key is one step, whatever stands in it. */
export function routedPath(url: string, path: string): string {
  const asked = flagAsked(url)
  return asked === undefined ? path : face + encodeURIComponent(asked.key.toWellFormed())
}

/** The spelling by which a group was found. */
export const spelled = (
  { key, spellings }: FlagAsked,
  { id, name }: { id: string; name: string },
): string =>
  spellings.find(
    (one) => [one, canonical(one)].includes(name) || canonical(one).toLowerCase() === id,
  ) ?? key

function afterFace(url: string): string {
  const start = url.indexOf('/', url.indexOf(':') + 4)
  return url.startsWith(face, start) ? url.slice(start + face.length) : ''
}

// What a URL encodes by itself where it is written as it is (WHATWG URL, "path percent-encode set").
const encodedByUrls = /(?:%(?:[01][\da-f]|20|22|3c|3e|5e|60|7b|7d|7f|[89a-f][\da-f]))+/gi

/** What may have been written so: encoded, as it is, or by those who write a blank as `+`. A URL turns `\` into `/`. */
const spellingsOf = (written: string): string[] => [
  decoded(written),
  decoded(written, encodedByUrls),
  written,
  decoded(written.replaceAll('+', ' ')),
  decoded(written.replaceAll('/', '\\')),
]

/** A text whose percent sequences are decoded, but for those that are none. */
const decoded = (text: string, sequences = /(?:%[\da-f]{2})+/gi): string =>
  text.replace(sequences, (sequence) => {
    try {
      return decodeURIComponent(sequence)
    } catch {
      return sequence.replace(/%[0-7][\da-f]/gi, decodeURIComponent)
    }
  })
