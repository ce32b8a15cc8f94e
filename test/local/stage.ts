import type { Groups } from './api.ts'
import type { Expectations } from './expectations.ts'
import type { Platform } from './platform.ts'

/** What the chapters of the demo have before them. */
export interface Stage {
  /** Of the server. */
  url: string
  /** Of the holder of ADMIN_TOKEN. */
  adminToken: string
  /** For calls without the clients below. */
  token: string
  groups: Groups
  /** The group on its way through the uploads. */
  group: string
  platform: Platform
  expect: Expectations
}

export const number = new Intl.NumberFormat('en')

export const since = (start: number) => `${((performance.now() - start) / 1000).toFixed(1)} s`
