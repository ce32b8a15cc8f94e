import { letOthersIn } from '../jobs/let-others-in.ts'
import type { Cost } from './cost.ts'

/** What limits a question. */
export interface Allowed {
  groupUsersMax: number
  questionSeconds: number
}

/** As `wrangler.toml` has it. */
export const usual: Allowed = { groupUsersMax: 10, questionSeconds: 20 }

/** Milliseconds of a statement, and statements, of which D1 allows an invocation 1,000. */
export const statementTime = 100
const statementsMax = 900

const rangeMax = 5000

/** How many users one statement can be about, however long their texts are. */
export const usersMost = ({ statement, user }: Cost): number =>
  Math.min(Math.max(Math.floor((1000 * statementTime - statement) / user), 1), rangeMax)

/** How fast a question goes on: in ranges of so many users, for so long. */
export class Pace {
  readonly most: number
  readonly #until: number
  #size: number
  #statements = 0
  #ms = 0

  constructor(cost: Cost, seconds: number) {
    this.most = usersMost(cost)
    this.#size = Math.ceil(this.most / 4)
    this.#until = performance.now() + 1000 * seconds
  }

  /** Users of the next range. */
  get size(): number {
    return this.#size
  }

  isOver(): boolean {
    return this.isOutOfStatements() || performance.now() >= this.#until
  }

  isOutOfStatements(): boolean {
    return this.#statements >= statementsMax
  }

  /** Lets others in, if a statement has just taken its time. */
  async turn(): Promise<void> {
    if (this.#statements > 0) await letOthersIn(this.#ms)
  }

  /** Adapts to a statement about so many users. */
  took(ms: number, users: number): void {
    this.#statements++
    this.#ms = ms
    // It takes some of the time whomever it is about, so that it cannot shrink for ever.
    const next = Math.floor(users * Math.min(statementTime / 2 / Math.max(ms, 1), 2))
    if (users === this.#size || next < users)
      this.#size = Math.min(Math.max(next, Math.ceil(this.most / 16)), this.most)
  }
}
