/** A whole number from 1, up to `most`. Vars come as numbers or as text. */
export function wholeOf(name: string, value: unknown, most = Infinity): number {
  const given = Number(value)
  if (!Number.isInteger(given) || given < 1 || given > most)
    throw new Error(`${name} must be a whole number from 1${most < Infinity ? ` to ${most}` : ''}`)
  return given
}

/** A secret that was not put is missing. */
export function secretOf(name: string, secret: string | undefined): string {
  if (secret === undefined || secret.length < 32)
    throw new Error(`${name} must have at least 32 characters`)
  return secret
}

/** Where the installation is reached; undefined where it does not say. */
export function originOf(text = ''): string | undefined {
  if (text === '') return undefined
  const url = URL.parse(text)
  if (url === null || !/^https?:/.test(url.protocol) || url.href !== `${url.origin}/`)
    throw new Error('ORIGIN must be like https://coterie.example.com, without a path')
  return url.origin
}

export const hostsOf = (text = ''): string[] =>
  text
    .toLowerCase()
    .split(' ')
    .map((host) => host.replace(/^\.+/, ''))
    .filter((host) => host !== '')
