import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { temporaryFolder } from './folder.ts'
import { ownState, writeOwn } from './private.ts'
import { modeOf, open } from './modes.ts'
import { root } from './program.ts'
import { ensureSecrets } from './secrets.ts'

describe('a file of our own', () => {
  it('is readable by its owner alone, whatever its mode was', () => {
    const file = join(temporaryFolder(), 'secret')
    for (const before of [undefined, 0o600, 0o644, 0o666]) {
      if (before !== undefined) chmodSync(file, before)
      writeOwn(file, `was ${before}`)
      assert.equal(modeOf(file), '600')
      assert.equal(readFileSync(file, 'utf8'), `was ${before}`)
    }
  })

  it('is .dev.vars, whether or not a secret was missing', () => {
    const file = join(root, '.dev.vars')
    const { adminToken } = ensureSecrets()
    chmodSync(file, 0o644)
    assert.equal(ensureSecrets().adminToken, adminToken)
    assert.equal(modeOf(file), '600')
  })
})

describe('a folder of state', () => {
  it('is made so, and so is one that others could read', () => {
    for (const there of [false, true]) {
      const folder = join(temporaryFolder(), 'state')
      const bucket = join(folder, 'v3/r2/files')
      if (there) {
        mkdirSync(bucket, { recursive: true })
        writeFileSync(join(bucket, 'people.csv'), 'ann')
        for (const path of ['', 'v3', 'v3/r2', 'v3/r2/files']) chmodSync(join(folder, path), 0o755)
        chmodSync(join(bucket, 'people.csv'), 0o644)
      }
      ownState(folder)
      assert.equal(modeOf(folder), '700')
      assert.deepEqual(open(folder), [])
    }
  })

  it('leaves alone what else is there, and what it links to', () => {
    const folder = temporaryFolder()
    const others = join(folder, 'another.txt')
    writeFileSync(others, 'x')
    mkdirSync(join(folder, 'v3'))
    symlinkSync(others, join(folder, 'v3/link'))
    chmodSync(folder, 0o755)
    chmodSync(others, 0o644)
    ownState(folder)
    assert.deepEqual(
      [modeOf(folder), modeOf(others), modeOf(join(folder, 'v3'))],
      ['755', '644', '700'],
    )
  })
})
