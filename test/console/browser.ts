import chromium from '@sparticuz/chromium'
import { chromium as launcher, type Browser } from 'playwright-core'

const args = [
  // As root there is none, and the pages are our own.
  '--no-sandbox',
  // Nothing is drawn that needs a graphics card, or a processor in its place.
  '--disable-gpu',
  '--font-render-hinting=none',
]

/** Where the program of a real browser is, which comes with a package; unpacked, once a machine. */
export const browserProgram = (): Promise<string> => chromium.executablePath()

export const startBrowser = (executablePath: string): Promise<Browser> =>
  launcher.launch({ executablePath, args })
