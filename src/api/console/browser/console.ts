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
