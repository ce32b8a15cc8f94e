/** Characters of a participant's id: at most 64, as a user's. Vars come as numbers or as text. */
export function participantMaxOf(value: unknown): number {
  const max = Number(value)
  if (!Number.isInteger(max) || max < 1 || max > 64)
    throw new Error('PARTICIPANT_MAX must be a whole number from 1 to 64')
  return max
}

export function jobsDaysOf(value: unknown): number {
  const days = Number(value)
  if (!Number.isInteger(days) || days < 1) throw new Error('JOBS_DAYS must be whole days')
  return days
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
