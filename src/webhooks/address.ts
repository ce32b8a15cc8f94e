/** Where `local` is allowed, http and loopback are: for trying things out on one machine. */
export interface Allowed {
  local: boolean
}

/**
 * What is wrong with a URL that events are to be sent to, or undefined: only https to hosts that are open to all. Names are not looked up
 * here: Cloudflare's network sends no request of a Worker to a private address that a name stands for.
 */
export function problemOfAddress(text: string, { local }: Allowed): string | undefined {
  if (text.length > 2048) return 'cannot exceed 2048 characters'
  let url: URL
  try {
    // Reads a host in every spelling: 2130706433, 0x7f.1 and 017700000001 are 127.0.0.1.
    url = new URL(text)
  } catch {
    return 'must be a URL'
  }
  if (url.protocol !== 'https:' && !(local && url.protocol === 'http:'))
    return 'must begin with https://'
  if (url.username !== '' || url.password !== '') return 'must not name a user'
  if (url.hash !== '') return 'must not have a fragment'
  const host = url.hostname.replace(/\.+$/, '').toLowerCase()
  if (local && (host === 'localhost' || host === '127.0.0.1' || host === '[::1]')) return undefined
  return isPublic(host) ? undefined : 'must name a public host'
}

function isPublic(host: string): boolean {
  if (host.startsWith('[')) return isPublicV6(host.slice(1, -1))
  const octets = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)?.slice(1).map(Number)
  if (octets !== undefined) return isPublicV4(octets)
  // A name of one label is a neighbour's, and the names below are never public (RFC 6761, RFC 6762, RFC 8375) or stand for any address at all.
  return (
    host.includes('.') && !closed.some((suffix) => host === suffix || host.endsWith(`.${suffix}`))
  )
}

const closed = [
  ...[
    'localhost',
    'localdomain',
    'local',
    'internal',
    'intranet',
    'lan',
    'home',
    'corp',
    'private',
    'home.arpa',
    'arpa',
    'onion',
  ],
  ...[
    'test',
    'example',
    'invalid',
    'localtest.me',
    'lvh.me',
    'vcap.me',
    'nip.io',
    'sslip.io',
    'xip.io',
  ],
  ...['metadata.goog', 'rbndr.us', '1u.ms', 'traefik.me', 'local.gd'],
]

/** Not those that IANA lists as reserved, private, for loopback, links, documentation or many at once (RFC 6890). */
function isPublicV4([a = 0, b = 0, c = 0, d = 0]: number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false
  if (a === 100 && b >= 64 && b < 128) return false
  // Links, and the address that Azure's machines ask about themselves.
  if ((a === 169 && b === 254) || (a === 168 && b === 63 && c === 129 && d === 16)) return false
  if (a === 172 && b >= 16 && b < 32) return false
  if (a === 192 && ((b === 0 && (c === 0 || c === 2)) || (b === 88 && c === 99) || b === 168))
    return false
  if (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) return false
  return !(a === 203 && b === 0 && c === 113)
}

/** Only 2000::/3 is public, less what stands for an IPv4 address, for documentation or for tests (RFC 6890, RFC 3964, RFC 4380). */
function isPublicV6(host: string): boolean {
  const [first = 0, second = 0] = groupsOf(host)
  if (first < 0x2000 || first > 0x3fff) return false
  if (first === 0x2002 || first === 0x3fff) return false
  return !(first === 0x2001 && (second < 0x200 || second === 0xdb8))
}

/** The first two groups of an address, as URL writes it: in small hexadecimal letters, the longest run of zeros as `::`. */
const groupsOf = (host: string): number[] =>
  host
    .split('::')[0]
    ?.split(':')
    .slice(0, 2)
    .map((group) => (group === '' ? 0 : Number.parseInt(group, 16))) ?? []
