import { defineConfig } from 'vitest/config'

/** In Node: a real server for all tests, and a real browser for each worker. */
export default defineConfig({
  test: {
    include: ['test/console/*.test.ts'],
    globalSetup: 'test/console/started.ts',
    testTimeout: 30_000,
    // A page after a click is there when it is there.
    expect: { poll: { timeout: 10_000 } },
    isolate: false,
    maxWorkers: 2,
  },
})
