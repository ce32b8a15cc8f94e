import { closeOnPhones } from './menu.ts'
import { refreshLive } from './live.ts'
import { addRows } from './rows.ts'
import { buildRules } from './rule-builder.ts'
import { inReadersZone } from './times.ts'
import { improveUpload } from './upload.ts'
import { slideTraffic } from './traffic.ts'

/** What pages do only in a browser; each works without. */
closeOnPhones()
inReadersZone(document)
refreshLive()
improveUpload()
buildRules()
addRows()
slideTraffic()
