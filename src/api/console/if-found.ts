import { Failure } from '../../failure.ts'

/** Undefined where what is asked for is not there, or no more. */
export async function ifFound<Found>(asked: Promise<Found>): Promise<Found | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof Failure && error.facts.reason === 'not-found') return undefined
    throw error
  }
}
