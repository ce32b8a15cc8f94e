import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { root } from './program.ts'

const from = join(root, 'src/api/console/browser')
const to = join(root, 'dist/assets/console/assets')

/** What browsers get of the console beside its pages: style, code, and the library of the reference. */
rmSync(join(root, 'dist/assets'), { recursive: true, force: true })
mkdirSync(to, { recursive: true })
await build({
  // A file for all pages, and one for each page that needs more.
  entryPoints: [
    ...['console.ts', 'console.css', 'upload.ts', 'rule-builder.ts'],
    ...['reference.ts', 'reference.css'],
  ].map((name) => join(from, name)),
  // The Worker's own readers of files run in the browser, too.
  inject: [join(from, 'buffer.ts')],
  outdir: to,
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  legalComments: 'none',
})
cpSync(join(from, 'icon.svg'), join(to, 'icon.svg'))
// Apache-2.0, 460 KB packed: of the reference alone.
const library = join(root, 'node_modules/swagger-ui-dist')
for (const name of ['swagger-ui-bundle.js', 'swagger-ui.css'])
  cpSync(join(library, name), join(to, name))
for (const name of ['LICENSE', 'NOTICE'])
  cpSync(join(library, name), join(to, `swagger-ui-${name}.txt`))
// The Worker sets no headers of what it does not answer.
writeFileSync(
  join(root, 'dist/assets/_headers'),
  "/*\n  X-Content-Type-Options: nosniff\n  Referrer-Policy: no-referrer\n  Content-Security-Policy: default-src 'none'\n",
)
