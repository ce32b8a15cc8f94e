import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { root } from './program.ts'

const readme = readFileSync(join(root, 'src/README.md'), 'utf8')
const section = readme.slice(readme.indexOf('\n## The split'))

/** The vectors that are published, and the line of a language that computes them. */
const vectors = [...section.matchAll(/^\| (\w+-x) +\| (\S+) +\| (\d+) +\|$/gm)]
const lineOf = (language: string) =>
  new RegExp(`^\`\`\`${language}\\n(.+)\\n\`\`\`$`, 'm').exec(section)?.[1] ?? ''

const isThere = (program: string, ...args: string[]) => spawnSync(program, args).status === 0

function said(program: string, args: string[], env: Record<string, string> = {}): string {
  const { stdout, stderr, status } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  assert.equal(status, 0, stderr)
  return stdout.trim()
}

describe('the published line', () => {
  it('of Python computes the published shards', (test) => {
    if (!isThere('python3', '--version')) return test.skip('there is no python3')
    const program = `import hashlib, sys\nsalt, key = sys.argv[1:]\nprint(${lineOf('python')})`
    for (const [, salt = '', key = '', shard = ''] of vectors)
      assert.equal(said('python3', ['-X', 'utf8', '-c', program, salt, key]), shard)
  })

  it('of a shell computes the published shards', (test) => {
    if (!isThere('openssl', 'md5', '/dev/null')) return test.skip('there is no openssl')
    for (const [, salt = '', key = '', shard = ''] of vectors)
      assert.equal(said('sh', ['-c', lineOf('sh')], { salt, key }), shard)
  })

  it('is there for each of seven vectors', () => {
    assert.equal(vectors.length, 7)
    for (const language of ['python', 'sh']) assert.notEqual(lineOf(language), '')
  })
})
