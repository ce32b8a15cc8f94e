import { shards } from './shard.ts'

/** How many of a variant were expected, by its weight in hundredths of a percent, and came. */
export interface VariantCount {
  weight: number
  observed: number
}

/** How well counts fit weights. */
export interface Fit {
  /** In the order of the variants: of all who came, as many as the weight says. */
  expected: number[]
  chiSquared: number
  /** How likely counts are at least as far off, where people were drawn by the weights. */
  p: number
  /** A sample ratio mismatch: something draws or loses people otherwise than the weights. */
  srm: boolean
}

/** Below which p tells a mismatch, and how many each variant must expect for p to be trusted. */
const mismatchBelow = 0.001
export const expectedLeast = 8

/**
 * Pearson's test of counts against weights. What must be expected is counted, and not what came: an
 * variant that nobody reaches is the worst mismatch. A variant of no weight is no part of the test, and
 * whoever is in it is a mismatch.
 */
export function fitOf(variants: VariantCount[]): Fit {
  const drawn = variants.filter(({ weight }) => weight > 0)
  const total = drawn.reduce((sum, { observed }) => sum + observed, 0)
  const expectedOf = ({ weight }: VariantCount) => (total * weight) / shards
  const chiSquared =
    total === 0
      ? 0
      : drawn.reduce(
          (sum, variant) =>
            sum + (variant.observed - expectedOf(variant)) ** 2 / expectedOf(variant),
          0,
        )
  const p = survivalOf(chiSquared, drawn.length - 1)
  const strays = variants.some(({ weight, observed }) => weight === 0 && observed > 0)
  const isLarge = drawn.every((variant) => expectedOf(variant) >= expectedLeast)
  const srm = strays || (isLarge && p < mismatchBelow)
  return { expected: variants.map(expectedOf), chiSquared, p, srm }
}

/**
 * The probability that χ² of so many degrees of freedom is at least `chiSquared`: Q(degrees / 2,
 * chiSquared / 2), the regularised incomplete gamma function. All terms are positive, so that its
 * digits hold far into the tail.
 */
export function survivalOf(chiSquared: number, degrees: number): number {
  if (chiSquared <= 0 || degrees <= 0) return 1
  const x = chiSquared / 2
  let a = degrees % 2 === 0 ? 1 : 1 / 2
  let q = a === 1 ? Math.exp(-x) : upperHalf(x)
  let logGamma = a === 1 ? 0 : Math.log(Math.PI) / 2
  // NIST DLMF 8.8.6: Q(a + 1, x) = Q(a, x) + x^a e^-x / Γ(a + 1).
  for (; a < degrees / 2; a++) {
    logGamma += Math.log(a)
    q += Math.exp(a * Math.log(x) - x - logGamma)
  }
  return Math.min(q, 1)
}

/** More than either form needs for all digits of a double. */
const terms = 100

/** Q(1/2, x), which is erfc(√x). */
function upperHalf(x: number): number {
  const factor = Math.exp(-x) * Math.sqrt(x / Math.PI)
  if (x < 1) {
    // NIST DLMF 8.11.4, of P = 1 - Q.
    let term = 2
    let sum = term
    for (let n = 1; n < terms; n++) sum += term *= x / (n + 1 / 2)
    return 1 - factor * sum
  }
  // NIST DLMF 8.9.2, its even part, from the last term to the first.
  let fraction = 0
  for (let n = terms; n > 0; n--) fraction = (n * (n - 1 / 2)) / (x + 2 * n + 1 / 2 - fraction)
  return factor / (x + 1 / 2 - fraction)
}
