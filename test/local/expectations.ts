/** Differences, collected so that a run shows all of them at its end. */
export class Expectations {
  readonly differences: string[] = []

  /** Compares what is expected, field by field; other fields of what came do not matter. */
  compare<Facts extends object>(about: string, came: Facts, expected: Partial<Facts>): void {
    for (const [field, should] of Object.entries(expected)) {
      const is: unknown = Object.entries(came).find(([name]) => name === field)?.[1]
      if (JSON.stringify(is) !== JSON.stringify(should))
        this.differences.push(
          `${about}: ${field} is ${JSON.stringify(is)}, should be ${JSON.stringify(should)}`,
        )
    }
  }
}
