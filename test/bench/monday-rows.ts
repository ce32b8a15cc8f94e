import type { Recompute } from './households.ts'
import type { Round, Size } from './mondays.ts'
import { median, percentile, type Row } from './row.ts'

const number = new Intl.NumberFormat('en')

const recomputeNote = `A recompute is from POST …/recompute to SUCCESSFUL, polled every 50 ms. Users have
an address, shared by 2.5 of them on average and ten at most, and three other attributes; households
share boolean_or, sum and average of these, and latest of the address. One-shot SQL does the same from
nothing with node:sqlite, in one transaction, a statement for the seats and one for each attribute. Of
the 1 % half have other attributes, and half have moved to someone who lived alone.`

const changedNote = `Rows changed are seats and shared attributes, as the run counts them. Who moves changes
two seats and at most four attributes of each of two groups. Rows that differ are not the same in the
groups before and after.`

const stepNote = `A step's time and rows are its batch's, as the Worker logs them; line to line
includes the step's first reads.`

const fromNothing = 'from nothing'

const middle = (rounds: Round[], which: (round: Round) => number) => median(rounds.map(which))

export function mondayRows(users: number, rounds: Round[], small: Size, large: Size): Row[] {
  const runs = rounds.flatMap((round) => [round.fromNothing, round.unchanged, round.changed])
  return [
    ...timeRows(users, rounds),
    growthRow(small, large),
    stepRow([...runs, small.fromNothing, large.fromNothing]),
    ...changedRows(rounds),
    ...costRows(users, rounds),
    ...readRows(rounds),
  ]
}

function timeRows(users: number, rounds: Round[]): Row[] {
  const first = middle(rounds, (round) => round.fromNothing.seconds)
  const row = { unit: 's', by: 'ratio', note: recomputeNote } as const
  const later = { ...row, beside: fromNothing, baseline: first, most: 1 }
  const oneShot = {
    beside: 'one-shot SQL',
    baseline: middle(rounds, (round) => round.oneShot),
    most: 1.5,
  }
  return [
    {
      ...row,
      ...oneShot,
      figure: `recompute of ${number.format(users)} from nothing`,
      measured: first,
    },
    {
      ...later,
      figure: 'recompute, unchanged',
      measured: middle(rounds, (round) => round.unchanged.seconds),
    },
    {
      ...later,
      figure: 'recompute, 1 % changed',
      measured: middle(rounds, (round) => round.changed.seconds),
    },
  ]
}

function growthRow(small: Size, large: Size): Row {
  const time = ({ users, fromNothing: { seconds } }: Size) => (seconds * 1_000_000) / users
  return {
    figure: `time per user at ${number.format(large.users)}`,
    measured: time(large),
    beside: `at ${number.format(small.users)}`,
    baseline: time(small),
    unit: 'µs',
    by: 'ratio',
    most: 1.5,
  }
}

function stepRow(runs: Recompute[]): Row {
  const longest = (which: 'ms' | 'whole') =>
    Math.max(...runs.flatMap(({ steps }) => steps.map((step) => step[which])))
  return {
    figure: 'longest step of all runs',
    measured: longest('ms'),
    beside: 'line to line',
    baseline: longest('whole'),
    unit: 'ms',
    by: 'itself',
    most: 2000,
    note: stepNote,
  }
}

function changedRows(rounds: Round[]): Row[] {
  const rows = (which: 'fromNothing' | 'unchanged' | 'changed') =>
    middle(rounds, (round) => round[which].run.rows_changed)
  const changed = {
    measured: rows('changed'),
    unit: 'rows',
    by: 'ratio',
    note: changedNote,
  } as const
  const [users, differing] = [
    middle(rounds, (round) => round.usersChanged),
    middle(rounds, (round) => round.rowsThatDiffer),
  ]
  return [
    {
      ...changed,
      figure: 'rows changed, unchanged',
      measured: rows('unchanged'),
      beside: fromNothing,
      baseline: rows('fromNothing'),
      by: 'itself',
      most: 0,
    },
    {
      ...changed,
      figure: 'rows changed, 1 % changed',
      beside: 'users changed',
      baseline: users,
      most: 10,
    },
    {
      ...changed,
      figure: 'rows changed, 1 % changed',
      beside: 'rows that differ',
      baseline: differing,
    },
  ]
}

function costRows(users: number, rounds: Round[]): Row[] {
  return (['fromNothing', 'unchanged', 'changed'] as const).map((which) => {
    const each = (figure: 'rowsRead' | 'rowsWritten') =>
      middle(rounds, (round) => round[which].steps.reduce((sum, step) => sum + step[figure], 0)) /
      users
    const when = { fromNothing, unchanged: 'unchanged', changed: '1 % changed' }[which]
    return {
      figure: `rows read per user, ${when}`,
      measured: each('rowsRead'),
      beside: 'written',
      baseline: each('rowsWritten'),
      unit: 'rows',
      by: 'itself',
    }
  })
}

function readRows(rounds: Round[]): Row[] {
  const all = (which: keyof Round['reads']) => rounds.flatMap(({ reads }) => reads[which])
  const row = { beside: 'empty route', unit: 'ms', by: 'difference' } as const
  return [
    {
      ...row,
      figure: 'a profile',
      measured: median(all('profile')),
      baseline: median(all('empty')),
    },
    {
      ...row,
      figure: 'a profile, 99th percentile',
      measured: percentile(all('profile'), 99),
      baseline: percentile(all('empty'), 99),
    },
    {
      figure: 'rows read per profile',
      measured: median(all('rowsRead')),
      beside: 'at most',
      baseline: Math.max(...all('rowsRead')),
      unit: 'rows',
      by: 'itself',
    },
  ]
}
