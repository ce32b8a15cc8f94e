import type { WebhookAddresses } from '../vars.ts'

/**
 * Why events cannot be sent to a URL, as the end of a sentence. Host names are not resolved:
 * Cloudflare sends no Worker's request to a private address.
 */
export function problemOfAddress(
  text: string,
  { local, hosts }: WebhookAddresses,
): string | undefined {
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
  if (!isPublic(host)) return 'must name a public host'
  if (hosts.length > 0 && !hosts.some((suffix) => isBelow(host, suffix)))
    return `must name a host below ${hosts.join(' or ')}`
  // The default port is left out of a URL.
  return local || url.port === '' || url.port === '8443'
    ? undefined
    : 'must have the port 443 or 8443'
}

const isBelow = (host: string, suffix: string) => host === suffix || host.endsWith(`.${suffix}`)

function isPublic(host: string): boolean {
  if (host.startsWith('[')) return isPublicV6(host.slice(1, -1))
  const octets = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)?.slice(1).map(Number)
  if (octets !== undefined) return isPublicV4(octets)
  // A name of one label is that of a host nearby.
  return host.includes('.') && !notPublic.some((suffix) => isBelow(host, suffix))
}

/** Never public (RFC 6761, RFC 6762, RFC 8375), or names that anybody can give any address. */
const notPublic = [
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

/** Not reserved, private, loopback, link-local, multicast or for documentation (RFC 6890). */
function isPublicV4([a = 0, b = 0, c = 0, d = 0]: number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false
  if (a === 100 && b >= 64 && b < 128) return false
  // Link-local, and the address of Azure's metadata service.
  if ((a === 169 && b === 254) || (a === 168 && b === 63 && c === 129 && d === 16)) return false
  if (a === 172 && b >= 16 && b < 32) return false
  if (a === 192 && ((b === 0 && (c === 0 || c === 2)) || (b === 88 && c === 99) || b === 168))
    return false
  if (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) return false
  return !(a === 203 && b === 0 && c === 113)
}

/** 2000::/3 without 6to4, Teredo, documentation and tests (RFC 6890, RFC 3964, RFC 4380). */
function isPublicV6(host: string): boolean {
  const [first = 0, second = 0] = groupsOf(host)
  if (first < 0x2000 || first > 0x3fff) return false
  if (first === 0x2002 || first === 0x3fff) return false
  return !(first === 0x2001 && (second < 0x200 || second === 0xdb8))
}

/** The first two groups of an address as `URL` writes it. */
const groupsOf = (host: string): number[] =>
  host
    .split('::')[0]
    ?.split(':')
    .slice(0, 2)
    .map((group) => (group === '' ? 0 : Number.parseInt(group, 16))) ?? []
