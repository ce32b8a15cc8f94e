let last = 1_000_000

/** A workspace that no other test of this worker has, and no client. */
export const newWorkspace = () => ++last
