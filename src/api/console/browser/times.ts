const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' })

/** Exact moments, on hover, in the reader's zone. */
export function inReadersZone(within: ParentNode): void {
  for (const time of within.querySelectorAll('time'))
    time.title = exact.format(new Date(time.dateTime))
}
