import { firstUpTo } from '../jobs/batch-size.ts'
import { letOthersIn } from '../jobs/let-others-in.ts'
import type { Cost, LeafCost } from './cost.ts'

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

/** Microseconds for one user; what it takes to compile is priced twice as high. */
const timeOf = ({ statement, user }: Cost): number => statement / 2 + user

/** Microseconds of a rule, beyond which it is asked in parts. */
const wholeMax = 40_000

/** Microseconds of a part, and how many there are, about, whatever `RULE_COST_MAX` is. */
const partMax = 30_000
const partsMax = 4

/** The first conditions of a rule of such a cost that one statement can ask about a user. */
export const firstPart = (left: LeafCost[], cost: Cost): LeafCost[] =>
  timeOf(cost) > wholeMax
    ? firstUpTo(left, timeOf, Math.max(partMax, timeOf(cost) / partsMax))
    : left

/**
 * How many users one statement can be about, however long their texts are; 0: it can only ask a
 * part of the rule, of one.
 */
export const usersMost = (cost: Cost): number =>
  timeOf(cost) > wholeMax
    ? 0
    : Math.min(Math.floor((1000 * statementTime - cost.statement) / cost.user), rangeMax)

/** How fast a question goes on: in ranges of so many users, for so long. */
export class Pace {
  readonly most: number
  readonly #until: number
  #size: number
  #statements = 0
  #ms = 0

  constructor(cost: Cost, seconds: number) {
    this.most = usersMost(cost)
    this.#size = Math.max(Math.ceil(this.most / 4), 1)
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

  /** Adapts to a statement about so many users, or to some about a part of one. */
  took(ms: number, users: number, statements = 1): void {
    this.#statements += statements
    this.#ms = ms
    // It takes some of the time whomever it is about, so that it cannot shrink for ever.
    const next = Math.floor(users * Math.min(statementTime / 2 / Math.max(ms, 1), 2))
    if (users === this.#size || next < users)
      this.#size = Math.min(Math.max(next, Math.ceil(this.most / 16), 1), Math.max(this.most, 1))
  }
}
