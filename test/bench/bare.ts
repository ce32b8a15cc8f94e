import { join } from 'node:path'

/** A Worker that does next to nothing, which ours is measured beside. */
export const bareConfig = join(import.meta.dirname, 'bare/wrangler.toml')
