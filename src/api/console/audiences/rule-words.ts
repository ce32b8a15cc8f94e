/** How people say what a condition compares; the browser's builder says the same. */
export const comparisonWords = {
  equals: 'is',
  not_equals: 'is not',
  less_than: 'is less than',
  less_than_equal: 'is at most',
  greater_than: 'is more than',
  greater_than_equal: 'is at least',
  contains: 'contains',
  not_contains: 'does not contain',
  starts_with: 'starts with',
  ends_with: 'ends with',
  matches: 'matches',
  in: 'is one of',
  not_in: 'is none of',
  exists: 'is known',
  not_exists: 'is not known',
} as const

/** Of the group of a definition. */
export const memberWords = {
  any_member: 'for any member of the',
  all_members: 'for all members of the',
  no_member: 'for no member of the',
} as const

export const joinWords = {
  and: 'all of these hold',
  or: 'any of these holds',
  not: 'this does not hold',
} as const

/** Where in a rule a JSON pointer leads: conditions are counted from 1 at each level. */
export function placeIn(pointer: string): string {
  const keys = pointer.split('/').slice(2)
  const last = keys.at(-1) ?? ''
  const field = ['operator', 'attribute', 'value', 'group', 'audience'].includes(last)
    ? `the ${last} of `
    : ''
  const numbers = keys.filter((key, i) => /^\d+$/.test(key) && keys[i - 1] === 'expressions')
  const place = numbers.map((key) => Number(key) + 1).join('.')
  const text = `${field}${place === '' ? 'the rule' : `condition ${place}`}`
  return text.charAt(0).toUpperCase() + text.slice(1)
}
