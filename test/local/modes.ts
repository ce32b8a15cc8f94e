import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Who may read a file, as `chmod` takes it. */
export const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

/** Every file and folder below a folder that others than its owner could read, with its mode. */
export const open = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => `${modeOf(join(folder, name))} ${name}`)
    .filter((line) => !/^[67]00 /.test(line))
