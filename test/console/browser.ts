import chromium from '@sparticuz/chromium'
import { chromium as launcher, type Browser } from 'playwright-core'

const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']

/** A real browser, whose program comes with a package. */
export const startBrowser = async (): Promise<Browser> =>
  launcher.launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args, ...quiet],
    headless: true,
  })
