import type { Context } from 'hono'
import type { Balance } from '../../../experiments/balance.ts'
import { expectedLeast, type Fit } from '../../../experiments/chi-squared.ts'
import {
  fitOfExposed,
  type Exposed,
  type ExposedDay,
} from '../../../experiments/exposure-counts.ts'
import { shards } from '../../../experiments/shard.ts'
import type { Http } from '../../http.ts'
import { may } from '../parts/page.tsx'
import { Section } from '../parts/blocks.tsx'
import { FormToken } from '../parts/fields.tsx'
import { Count } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { DayColumns, ShareBar } from './share-bar.tsx'
import { experimentPath } from '../paths.ts'

/** How the members of the group fall into the variants. */
export function ShownBalance({ c, balance }: { c: Context<Http>; balance: Balance }) {
  const { experiment, state, result } = balance
  const isUnderWay = state !== null && state !== 'complete'
  return (
    <Section title="Balance">
      <div id="balance" data-live={isUnderWay ? '' : undefined}>
        {isUnderWay && <p class="note wait">The participants of the group are being counted.</p>}
        {result === undefined ? (
          !isUnderWay && <p>The group has not been counted yet.</p>
        ) : (
          <>
            <p>
              Of the <Count of={result.members} /> participants of the group (its revision{' '}
              <Count of={result.revision} />
              ), drawn into each variant of version <Count of={result.version} />:
            </p>
            <Compared label="Balance" variants={result.variants} expected={result.expected} />
            <Verdict fit={result} drawn={result.variants} />
          </>
        )}
      </div>
      <p class="after">
        <a href={`${experimentPath(experiment.id)}/assignments.csv`}>
          Download who has which variant
        </a>
      </p>
      {may(c, 'experiments:write') && (
        <form method="post" class="after" action={`${experimentPath(experiment.id)}/balance`}>
          <FormToken c={c} />
          <button>{result === undefined ? 'Count the group' : 'Count the group again'}</button>
        </form>
      )}
    </Section>
  )
}

interface Observed {
  id: string
  observed: number
}

function Compared({
  label,
  variants,
  expected,
}: {
  label: string
  variants: Observed[]
  expected: number[]
}) {
  const most = Math.max(...variants.map(({ observed }) => observed), 1)
  return (
    <Table
      label={label}
      rows={variants.map((variant, i) => ({ ...variant, expected: expected[i] ?? 0 }))}
      columns={[
        { name: 'Variant', cell: ({ id }) => <bdi class="id">{id}</bdi> },
        { name: 'People', isNumber: true, cell: ({ observed }) => <Count of={observed} /> },
        {
          name: 'By its share',
          isNumber: true,
          cell: ({ expected }) => <Count of={Math.round(expected)} />,
        },
        {
          name: 'Beside the others',
          cell: ({ observed }) => <ShareBar part={observed} of={most} />,
        },
      ]}
    />
  )
}

/** Whether the weights explain the numbers, in plain words. */
function Verdict({ fit, drawn }: { fit: Fit; drawn: Observed[] }) {
  const { chiSquared, p, srm, expected } = fit
  const total = drawn.reduce((sum, { observed }) => sum + observed, 0)
  if (total === 0) return <p class="after">Nobody is in a variant yet.</p>
  const isSmall = expected.some((one) => one > 0 && one < expectedLeast)
  const test = (
    <small>
      χ² = {chiSquared.toFixed(2)}: numbers as far off, or further, come by chance in {percentOf(p)}{' '}
      of all draws.
    </small>
  )
  if (srm)
    return (
      <div class="note bad after">
        <p class="strong">The shares do not explain these numbers.</p>
        <p>
          Something adds people to a variant, or loses them. Find out what before you trust a
          result.
        </p>
        <p>{test}</p>
      </div>
    )
  return (
    <div class="after">
      <p>
        {isSmall ? 'These numbers are too few to tell.' : 'The shares explain these numbers.'}{' '}
        {test}
      </p>
    </div>
  )
}

function percentOf(p: number): string {
  if (p < 0.001) return 'less than 0.1 %'
  return `${p > 0.1 ? Math.round(p * 100) : (p * 100).toFixed(1)} %`
}

const daysShown = 60
const chartsShown = 12

/** Who saw which variant, in all and by day. */
export function ShownExposures({
  c,
  exposed,
}: {
  c: Context<Http>
  exposed: Exposed & { days: ExposedDay[] }
}) {
  const fit = fitOfExposed(exposed, c.var.res.limits)
  const total = exposed.variants.reduce((sum, { observed }) => sum + observed, 0)
  const weights = exposed.variants.map(({ weight }) => (total * weight) / shards)
  return (
    <Section title="Who saw it">
      {total === 0 ? (
        <p>
          Nobody has seen version <Count of={exposed.version} /> yet.
        </p>
      ) : (
        <>
          <p>
            <Count of={total} /> {total === 1 ? 'person has' : 'people have'} seen version{' '}
            <Count of={exposed.version} />, each counted at the first time.
          </p>
          <Compared label="Who saw it" variants={exposed.variants} expected={weights} />
          <Verdict fit={fit} drawn={exposed.variants} />
          <Days exposed={exposed} />
          <p>
            <a href={`${experimentPath(exposed.id)}/exposures.csv`}>
              Download who saw which variant
            </a>
          </p>
        </>
      )}
    </Section>
  )
}

function Days({ exposed: { variants, days } }: { exposed: Exposed & { days: ExposedDay[] } }) {
  const shown = days.slice(-daysShown).map(({ day, variants }) => ({ day, of: new Map(variants) }))
  const most = Math.max(...shown.flatMap(({ of }) => [...of.values()]), 1)
  const [first, last] = [shown[0]?.day, shown.at(-1)?.day]
  return (
    <>
      <h3 class="after">By day</h3>
      <div class="charts">
        {variants.slice(0, chartsShown).map(({ id }) => (
          <figure>
            <figcaption>
              <bdi class="id">{id}</bdi>
            </figcaption>
            <DayColumns
              label={id}
              days={shown.map(({ day, of }) => ({ day, number: of.get(id) ?? 0 }))}
              most={most}
            />
          </figure>
        ))}
      </div>
      <p>
        <small>
          Days on which somebody saw it for the first time, {first}
          {first !== last && ` to ${last}`} (UTC). The highest column is <Count of={most} />.
          {variants.length > chartsShown && ` The first ${chartsShown} variants are drawn.`}
        </small>
      </p>
    </>
  )
}
