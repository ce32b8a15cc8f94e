/** Faults that change nothing that anybody could see, and why: samples leave them out. */
export const noDifference: readonly {
  file: string
  /** As it stands there, without its indentation. */
  line: string
  operator: string
  /** Where the line has several such places: which. */
  found?: string
  why: string
}[] = []
