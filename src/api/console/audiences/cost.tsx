import { Count } from '../parts/figures.tsx'

/** What a rule costs, beside what it may cost. */
export const Cost = ({ is, max }: { is: number; max: number }) => (
  <>
    <Count of={Math.max(1, Math.round((is / max) * 100))} /> % of the limit
  </>
)
