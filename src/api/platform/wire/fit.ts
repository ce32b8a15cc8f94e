/** What the numbers of a chi-squared test mean, whatever it counts. */
export const p =
  "How likely numbers are at least as far from the expected, by Pearson's test with as many degrees of " +
  'freedom as there are variants with a weight, less one.'

export const srm =
  'A sample ratio mismatch: p is below 0.001, and eight or more are expected in each variant; or ' +
  'somebody is in one of no weight.'
