import { closeOnPhones } from './menu.ts'
import { refreshLive } from './live.ts'
import { inReadersZone } from './times.ts'
import { improveUpload } from './upload.ts'

/** What pages do only in a browser; each works without. */
closeOnPhones()
inReadersZone(document)
refreshLive()
improveUpload()
