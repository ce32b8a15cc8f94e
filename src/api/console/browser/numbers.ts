const units = ['bytes', 'kB', 'MB', 'GB']

/** A size as people read it. */
export function bytesText(bytes: number): string {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  const size = bytes / 1000 ** power
  return `${size.toFixed(power === 0 || size >= 100 ? 0 : 1)} ${units[power] ?? ''}`
}
