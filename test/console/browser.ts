import chromium from '@sparticuz/chromium'
import { chromium as launcher, type BrowserServer } from 'playwright-core'

const args = [
  // As root there is none, and the pages are our own.
  '--no-sandbox',
  // Nothing is drawn that needs a graphics card, or a processor in its place.
  '--disable-gpu',
  '--font-render-hinting=none',
]

/** A real browser, whose program comes with a package. */
export const startBrowser = async (): Promise<BrowserServer> =>
  launcher.launchServer({ executablePath: await chromium.executablePath(), args, headless: true })
