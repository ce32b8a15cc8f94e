const second = 1000
export const minute = 60 * second
export const hour = 60 * minute

/** The waits between attempts by Standard Webhooks 1.0, "Deliverability and reliability". */
export const waits = [
  5 * second,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
]
