import { jobPath } from '../paths.ts'

/** Characters of a name that are shown in a table, and of its end. */
const shownMost = 48
const endMost = 12

function shortened(name: string): string {
  const characters = [...name]
  if (characters.length <= shownMost) return name
  const [start, end] = [characters.slice(0, shownMost - endMost), characters.slice(-endMost)]
  return `${start.join('')}…${end.join('')}`
}

/** A job by its name, of which a long one is shown without its middle. */
export function JobLink({ id, name }: { id: string; name: string }) {
  const short = shortened(name)
  return (
    <a href={jobPath(id)} title={short === name ? undefined : name}>
      <bdi>{short}</bdi>
    </a>
  )
}
