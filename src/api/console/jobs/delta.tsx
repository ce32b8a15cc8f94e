import type { GroupJob } from '../../../experience/jobs.ts'
import { removesTooMany } from '../../../jobs/outcome.ts'
import { count, plural } from '../parts/figures.tsx'

/** The exact effect of a job on its group. */
export interface Delta {
  added: number
  removed: number
  /** Participants who are in before and after; undefined where that is no longer known. */
  stay: number | undefined
}

/** The bar's units, of which whatever is not nothing has some. */
const width = 1000
const leastShown = 6

type DeltaBarProps = Delta & { refused: number; isDone: boolean }

/** The exact effect of a job as one bar, and its numbers. */
export function DeltaBar({ added, removed, stay = 0, ...delta }: DeltaBarProps) {
  const [leave, remain, join] = delta.isDone
    ? ['left', 'stayed', 'joined']
    : ['leave', 'stay', 'join']
  const parts = [
    { class: 'bad', many: removed, text: `− ${count(removed)} ${leave}` },
    { class: 'b', many: stay, text: `${count(stay)} ${remain}` },
    { class: 'good', many: added, text: `+ ${count(added)} ${join}` },
  ].filter(({ class: is, many }) => many > 0 || is !== 'b')
  const all = added + removed + stay
  const shares = parts.map(({ many }) =>
    many === 0 ? 0 : Math.max(leastShown, (many / Math.max(1, all)) * width),
  )
  const scale =
    width /
    Math.max(
      1,
      shares.reduce((sum, share) => sum + share, 0),
    )
  let at = 0
  return (
    <figure class="delta">
      {all > 0 && (
        <svg
          class="wide"
          role="img"
          aria-label={parts.map(({ text }) => text).join(', ')}
          width={width}
          height="20"
          viewBox={`0 0 ${width} 20`}
          preserveAspectRatio="none"
        >
          {parts.map((part, i) => {
            const share = (shares[i] ?? 0) * scale
            at += share
            return <rect class={part.class} x={at - share} y="0" width={share} height="20" />
          })}
        </svg>
      )}
      <figcaption class="legend">
        {parts.map((part) => (
          <span>
            <svg class="swatch" width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
              <rect class={part.class} width="10" height="10" rx="2" />
            </svg>
            {` ${part.text}`}
          </span>
        ))}
        {delta.refused > 0 && <a href="#refused">{plural(delta.refused, 'row')} refused</a>}
      </figcaption>
    </figure>
  )
}

function share(part: number, whole: number): string {
  const percent = (100 * part) / Math.max(1, whole)
  if (percent > 0 && percent < 0.1) return 'less than 0.1 %'
  return `${count(Math.round(10 * percent) / 10)} %`
}

/** What the guard says of a held job, in a sentence. */
export function verdictOf(job: GroupJob): string {
  const { removed, groupCount } = job
  const most = job.maxRemovePercent ?? 100
  if (removed === 0) return 'Nobody leaves, so the guard has no objection.'
  const leaves = `${count(removed)} of ${plural(groupCount, 'participant')} (${share(removed, groupCount)})`
  const leave = removed === 1 ? 'leaves' : 'leave'
  if (removesTooMany(job))
    return `The guard has stopped this: ${leaves} ${leave}. More than ${most} % leave only once somebody confirms it.`
  if (most === 100) return `No guard is set for this group: ${leaves} ${leave}.`
  if (100 * removed > most * groupCount)
    return `The guard is for groups of 100 and more; here ${leaves} ${leave}.`
  return `Within the guard: ${leaves} ${leave}, and up to ${most} % may.`
}
