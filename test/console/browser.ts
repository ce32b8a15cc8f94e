import chromium from '@sparticuz/chromium'
import { chromium as launcher, type Browser } from 'playwright-core'

const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']

/** In one process, what a script fetches has the cookies of whoever else is signed in. */
const apart = (arg: string) =>
  !['--single-process', '--no-zygote', '--disable-web-security'].includes(arg)

/** A real browser, whose program comes with a package. */
export const startBrowser = async (): Promise<Browser> =>
  launcher.launch({
    executablePath: await chromium.executablePath(),
    args: [...chromium.args.filter(apart), ...quiet],
    headless: true,
  })
