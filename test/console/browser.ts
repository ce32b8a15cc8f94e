import chromium from '@sparticuz/chromium'
import { chromium as launcher, type BrowserServer } from 'playwright-core'

/** Those of the package with which contexts share cookies, or a page may do what no browser lets it do. */
const unlikeBrowsers = [
  '--single-process',
  '--disable-web-security',
  '--disable-site-isolation-trials',
  '--allow-running-insecure-content',
]

/** Those by which a processor draws as a graphics card would, which pages without 3D need not. */
const drawing = [
  '--ignore-gpu-blocklist',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--in-process-gpu',
]

const quiet = [
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A real browser, whose program comes with a package. */
export const startBrowser = async (): Promise<BrowserServer> =>
  launcher.launchServer({
    executablePath: await chromium.executablePath(),
    args: [
      ...chromium.args.filter((arg) => ![...unlikeBrowsers, ...drawing].includes(arg)),
      ...quiet,
    ],
    headless: true,
  })
