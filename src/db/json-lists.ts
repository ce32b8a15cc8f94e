/** UTF-16 units of up to three bytes each: D1 takes strings of up to 2 MB. */
export const jsonLengthMax = 400_000

/** Texts of JSON in their order, as JSON lists that D1 takes: one parameter each. */
export function jsonLists(texts: Iterable<string>): string[] {
  const lists: string[] = []
  let list: string[] = []
  let length = 0
  for (const text of texts) {
    if (length + text.length > jsonLengthMax && list.length > 0) {
      lists.push(`[${list.join()}]`)
      list = []
      length = 0
    }
    list.push(text)
    length += text.length
  }
  if (list.length > 0) lists.push(`[${list.join()}]`)
  return lists
}
