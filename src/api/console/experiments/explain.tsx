import type { showExplanation } from '../../platform/wire/assignments.ts'
import { Section, Status } from '../parts/blocks.tsx'
import { count } from '../parts/figures.tsx'

export type Explained = ReturnType<typeof showExplanation>
type Check = Explained['checks'][number]

/** Why somebody has a variant, or none. */
export const Explanation = ({
  path,
  explained,
}: {
  path: string
  explained: Explained | undefined
}) => (
  <Section title="What does somebody get?">
    <form class="search" action={`${path}#person`}>
      <input
        id="person"
        name="person"
        aria-label="Id of a participant"
        placeholder="Id of a participant"
        value={explained?.participant_id}
        autocomplete="off"
      />
      <button>Explain</button>
    </form>
    {explained !== undefined && <Answer explained={explained} />}
  </Section>
)

function Answer({ explained }: { explained: Explained }) {
  const { participant_id: id, variant, checks } = explained
  return (
    <>
      <p>
        <bdi class="strong">{id}</bdi>{' '}
        {variant === null ? (
          'takes no part, and gets the value of the control.'
        ) : (
          <>
            has the variant <bdi class="strong">{variant}</bdi>.
          </>
        )}
      </p>
      <Checks checks={checks} />
    </>
  )
}

/** Each check in its order, and which one decides. */
export function Checks({ checks }: Pick<Explained, 'checks'>) {
  const deciding = checks.findIndex(({ passed }) => !passed)
  return (
    <ol class="checks">
      {checks.map((check, i) => (
        <li>
          <Step check={check} isAfter={deciding !== -1 && i > deciding} /> <Found check={check} />
        </li>
      ))}
    </ol>
  )
}

/** Whether one goes on after a check; none is made after the one that decides. */
function Step({ check, isAfter }: { check: Check; isAfter: boolean }) {
  if (isAfter) return <Status tone="none">not checked</Status>
  if (check.check === 'split') return <Status tone="good">has it</Status>
  if (check.passed) return <Status tone="good">goes on</Status>
  return <Status tone="wait">{check.check === 'forced' ? 'has it' : 'ends here'}</Status>
}

const place = (shard: number | null) =>
  shard === null ? 'Where it is drawn is hidden from you' : `Drawn at ${count(shard)}`

const stays = {
  draft: 'is a draft',
  running: 'is running',
  paused: 'is paused',
  ended: 'has ended',
} as const

/** What a check has found. */
function Found({ check }: { check: Check }) {
  switch (check.check) {
    case 'running':
      return <>The experiment {stays[check.status]}.</>
    case 'forced':
      if (check.variant === null) return <>No variant is forced on this person.</>
      return (
        <>
          The variant <bdi class="id">{check.variant}</bdi> is forced on this person.
        </>
      )
    case 'group':
      if (check.group_id === null) return <>Everybody may take part.</>
      return check.passed ? <>Is in the group.</> : <>Is not in the group.</>
    case 'unit':
      return <FoundUnit {...check} />
    case 'split': {
      const { shard } = check
      const drawn = check.variants.find(
        ({ from, to }) => shard !== null && from <= shard && shard < to,
      )
      if (drawn === undefined) return <>{place(shard)} among the variants.</>
      return (
        <>
          {place(shard)} among the variants: <bdi class="id">{drawn.id}</bdi> has{' '}
          {count(drawn.from)} to {count(drawn.to - 1)}.
        </>
      )
    }
    default: {
      const { from, to } = check
      const range =
        from >= to ? 'nobody takes part' : `${count(from)} to ${count(to - 1)} take part`
      return (
        <>
          {place(check.shard)} in the {check.check}: {range}.
        </>
      )
    }
  }
}

function FoundUnit({ passed, unit, key }: Extract<Check, { check: 'unit' }>) {
  if (!passed)
    return unit === 'participant' ? (
      <>Nobody can have this id.</>
    ) : (
      <>
        Is in no <bdi>{unit}</bdi>.
      </>
    )
  if (key === null)
    return (
      <>
        Is drawn with the <bdi>{unit}</bdi>, which is hidden from you.
      </>
    )
  return (
    <>
      Is drawn {unit === 'participant' ? 'by the id' : `with the ${unit}`}{' '}
      <bdi class="id">{key}</bdi>.
    </>
  )
}
