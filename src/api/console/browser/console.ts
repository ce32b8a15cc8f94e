import { closeOnPhones } from './menu.ts'
import { refreshLive } from './live.ts'
import { addRows } from './rows.ts'
import { inReadersZone } from './times.ts'
import { slideTraffic } from './traffic.ts'

/** What pages do only in a browser; each works without. */
closeOnPhones()
inReadersZone(document)
refreshLive()
addRows()
slideTraffic()

// Larger than all else, and on few pages.
if (document.querySelector('[data-upload]') !== null)
  void import('./upload.ts').then(({ improveUpload }) => improveUpload())
if (document.querySelector('[data-rule]') !== null)
  void import('./rule-builder.ts').then(({ buildRules }) => buildRules())
