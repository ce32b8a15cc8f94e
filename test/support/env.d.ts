declare namespace Cloudflare {
  interface GlobalProps {
    mainModule: typeof import('../../src/index.ts')
  }
  interface Env extends Omit<import('../../src/resources.ts').Env, never> {
    MIGRATIONS: import('cloudflare:test').D1Migration[]
  }
}
