import { newSigningKey } from './secrets.ts'

/** Prints a new SIGNING_KEY. */
console.log(newSigningKey())
