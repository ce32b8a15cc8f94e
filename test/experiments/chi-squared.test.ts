import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitOf, survivalOf } from '../../src/experiments/chi-squared.ts'
import { runs } from '../support/property.ts'

/** Agrees in so many digits, however small it is. */
function isNear(measured: number, right: number, digits = 10): void {
  expect(Math.abs(measured / right - 1)).toBeLessThan(10 ** -digits)
}

/** Of even degrees, half of which are `half`: a Poisson's sum, from its greatest terms' logarithms. */
function closedForm(x: number, half: number): number {
  const log = (j: number) =>
    j * Math.log(x) -
    x -
    Array.from({ length: j }, (_, i) => Math.log(i + 1)).reduce((a, b) => a + b, 0)
  const logs = Array.from({ length: half }, (_, j) => log(j))
  const most = Math.max(...logs)
  return Math.exp(most) * logs.reduce((sum, one) => sum + Math.exp(one - most), 0)
}

/** Of any degrees: the density from x on, by the trapezoidal rule over u = exp(t - exp(-t)). */
function integrated(chiSquared: number, degrees: number): number {
  const [x, a] = [chiSquared / 2, degrees / 2]
  const step = 1 / 128
  let [above, all] = [0, 0]
  for (let t = -6; t < 7; t += step) {
    const u = Math.exp(t - Math.exp(-t))
    const du = u * (1 + Math.exp(-t)) * step
    above += (x + u) ** (a - 1) * Math.exp(-u) * du
    all += u ** (a - 1) * Math.exp(-u) * du
  }
  return (Math.exp(-x) * above) / all
}

describe('the survival of chi-squared', () => {
  // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4, "Critical Values of the Chi-Square Distribution".
  it.each([
    [1, 0.1, 2.706],
    [1, 0.05, 3.841],
    [1, 0.01, 6.635],
    [1, 0.001, 10.828],
    [2, 0.05, 5.991],
    [2, 0.001, 13.816],
    [3, 0.05, 7.815],
    [3, 0.001, 16.266],
    [10, 0.05, 18.307],
    [10, 0.001, 29.588],
    [31, 0.001, 61.098],
    [99, 0.05, 123.225],
    [99, 0.001, 148.23],
  ])('of %i degrees is %f at its published quantile', (degrees, p, quantile) => {
    expect(survivalOf(quantile - 0.0005, degrees)).toBeGreaterThanOrEqual(p)
    expect(survivalOf(quantile + 0.0005, degrees)).toBeLessThanOrEqual(p)
  })

  // By mpmath 1.3 with thirty digits: gammainc(k / 2, x / 2, inf, regularized=True).
  it.each([
    [1, 0.001, 0.97477287936996],
    [1, 1.9, 0.16807831903497],
    [1, 2.1, 0.147299138622676],
    [1, 10, 0.00156540225800255],
    [1, 150, 1.73364324571783e-34],
    [1, 1400, 2.10101451626422e-306],
    [3, 0.5, 0.918891411654676],
    [3, 40.5, 8.34749257574339e-9],
    [7, 700, 6.89651257409033e-147],
    [31, 150, 1.5244783813393e-17],
    [99, 40.5, 0.999999971152886],
    [99, 150, 0.000720445395716963],
    [99, 1400, 1.18673244531094e-228],
  ])('of %i degrees at %f is %f, far into the tail', (degrees, chiSquared, p) => {
    isNear(survivalOf(chiSquared, degrees), p)
  })

  it('is the closed form where degrees are even', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0.001, max: 600, noNaN: true }),
        (half, x) => isNear(survivalOf(2 * x, 2 * half), closedForm(x, half)),
      ),
      runs(300),
    )
  })

  it('is the integral of the density where degrees are odd', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 49 }),
        fc.double({ min: 0.5, max: 1300, noNaN: true }),
        (half, chiSquared) => {
          const degrees = 2 * half + 1
          isNear(survivalOf(chiSquared, degrees), integrated(chiSquared, degrees), 9)
        },
      ),
      runs(200),
    )
  })

  it('is one at nothing, and for nothing that can vary', () => {
    expect([survivalOf(0, 3), survivalOf(5, 0), survivalOf(-1, 2)]).toEqual([1, 1, 1])
    expect(survivalOf(1e9, 3)).toBe(0)
  })
})

const halves = (one: number, other: number) => [
  { weight: 5000, observed: one },
  { weight: 5000, observed: other },
]

describe('a fit', () => {
  it('tells what was expected, and how far off that is', () => {
    const fit = fitOf([
      { weight: 1000, observed: 130 },
      { weight: 9000, observed: 870 },
    ])
    expect(fit.expected).toEqual([100, 900])
    isNear(fit.chiSquared, 9 + 1)
    isNear(fit.p, 0.00156540225800255)
    expect(fit.srm).toBe(false)
  })

  it('has a mismatch below one in a thousand', () => {
    expect(fitOf(halves(5164, 4836))).toMatchObject({ srm: false })
    expect(fitOf(halves(5165, 4835))).toMatchObject({ srm: true })
    expect(fitOf(halves(5164, 4836)).p).toBeGreaterThan(0.001)
    expect(fitOf(halves(5165, 4835)).p).toBeLessThan(0.001)
  })

  it('has none before each variant can expect eight', () => {
    expect(fitOf(halves(15, 0))).toMatchObject({ expected: [7.5, 7.5], srm: false })
    expect(fitOf(halves(16, 0))).toMatchObject({ expected: [8, 8], srm: true })
    const small = [
      { weight: 1, observed: 100 },
      { weight: 9999, observed: 9900 },
    ]
    expect(fitOf(small)).toMatchObject({ srm: false })
  })

  it('leaves a variant of no weight out, unless somebody is in it', () => {
    const even = fitOf(halves(500, 500))
    const third = (observed: number) => fitOf([...halves(500, 500), { weight: 0, observed }])
    expect(third(0)).toEqual({ ...even, expected: [500, 500, 0] })
    expect(third(1)).toEqual({ ...even, expected: [500, 500, 0], srm: true })
  })

  it('is even where nobody came, and where one variant has all the weight', () => {
    const even = { chiSquared: 0, p: 1, srm: false }
    expect(fitOf(halves(0, 0))).toEqual({ ...even, expected: [0, 0] })
    expect(fitOf([{ weight: 10_000, observed: 90 }])).toEqual({ ...even, expected: [90] })
  })

  it('is told a mismatch by chance once in a thousand', () => {
    // A fixed generator (mulberry32), so that the test is the same each time.
    let seed = 7
    const random = () => {
      seed = (seed + 0x6d2b79f5) | 0
      let t = Math.imul(seed ^ (seed >>> 15), seed | 1)
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
    }
    const mismatches = Array.from({ length: 20_000 }, () => {
      const observed = [0, 0, 0]
      for (let i = 0; i < 150; i++) {
        const arm = Math.floor(3 * random())
        observed[arm] = (observed[arm] ?? 0) + 1
      }
      return fitOf([3333, 3333, 3334].map((weight, i) => ({ weight, observed: observed[i] ?? 0 })))
    }).filter(({ srm }) => srm).length
    expect(mismatches).toBeGreaterThan(5)
    expect(mismatches).toBeLessThan(40)
  })
})
