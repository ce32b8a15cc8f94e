import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { getToken, Groups, registerClient, type Client } from './api.ts'
import { temporaryFolder } from './folder.ts'
import { startServer, type Server } from './server.ts'
import { sendInPieces, type Sending } from './tus.ts'

const mebibyte = 2 ** 20
const chunkSize = 8 * mebibyte

const folder = temporaryFolder()
let server: Server
let client: Client
let token: string
let groups: Groups

before(async () => {
  server = await startServer({ stateDir: join(folder, 'state'), heapMax: 64 })
  client = await registerClient(server.url, server.adminToken, 'sender')
  token = await getToken(server.url, client)
  groups = new Groups(server.url, token)
})
after(() => server.stop())

/** Writes a file of few rows, each of 16 KiB with its blanks, and gives its path and its SHA-256. */
function written(name: string, bytes: number, head = ''): { file: string; sha256: string } {
  const content = Buffer.alloc(bytes, ' ')
  content.write(head)
  for (let at = head.length, i = 0; at < bytes - 20; i++, at += 16_384)
    content.write(`p-${i}\n`, at)
  const file = join(folder, name)
  writeFileSync(file, content)
  return { file, sha256: createHash('sha256').update(content).digest('hex') }
}

/** The client as a program of its own, and what it has said. */
function started(sending: Sending): { child: ChildProcess; said: string[] } {
  const program = join(import.meta.dirname, 'send-in-pieces.ts')
  const child = spawn(process.execPath, [program, JSON.stringify(sending)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said: string[] = []
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => said.push(line))
  return { child, said }
}

test('the client of tus is killed in mid-file, and goes on behind the last part', async (t) => {
  const group = await groups.create('Owls')
  const { file, sha256 } = written('people.csv', 40 * mebibyte)
  const sending = {
    ...{ file, token, chunkSize, urls: join(folder, 'urls.json') },
    endpoint: `${server.url}/groups/v3/groups/${group}/uploads`,
    metadata: { filename: 'people.csv', type: 'REPLACE' },
  }
  const { child, said } = started(sending)
  const ended = once(child, 'exit')
  while (said.length < 2) await Promise.race([once(child.stdout ?? child, 'data'), ended])
  child.kill('SIGKILL')
  await ended
  assert.ok(!said.some((line) => line.startsWith('job')))

  const again = started(sending)
  assert.deepEqual(await once(again.child, 'exit'), [0, null])
  const [first = '', job = ''] = [again.said[0], again.said.at(-1)]
  assert.ok(Number(first.replace('stored ', '')) >= 24 * mebibyte, first)
  t.diagnostic(`killed after ${said.at(-1)}, went on with ${first}`)
  const shown = await groups.finished(job.replace('job ', ''), 50)
  assert.equal(shown.jobStatus, 'SUCCESSFUL')
  assert.equal((shown as { fileSha256?: string }).fileSha256, sha256)
  assert.equal(await groups.participantCount(group), shown.addedCount)
  assert.equal(shown.addedCount, Math.ceil((40 * mebibyte - 20) / 16_384))
})

test('a file of users comes in pieces, too', async () => {
  const { file } = written('users.csv', 9 * mebibyte, 'user_id\n')
  const job = await sendInPieces({
    ...{ file, token, chunkSize, metadata: { filename: 'users.csv' } },
    endpoint: `${server.url}/platform/workspaces/${client.workspace}/users/uploads`,
  })
  const answer = await fetch(
    `${server.url}/platform/workspaces/${client.workspace}/imports/${job}`,
    {
      headers: { Authorization: `Bearer ${token}` },
    },
  )
  assert.equal(answer.status, 200)
  assert.equal(((await answer.json()) as { file_name: string }).file_name, 'users.csv')
})

test('memory does not grow with what is sent', async (t) => {
  const group = await groups.create('Larks')
  const headers = {
    Authorization: `Bearer ${token}`,
    ...{ transactionId: crypto.randomUUID(), 'Tus-Resumable': '1.0.0' },
  }
  const created = await fetch(`${server.url}/groups/v3/groups/${group}/uploads`, {
    method: 'POST',
    headers: { ...headers, 'Upload-Length': `${2 ** 32}`, 'Upload-Metadata': 'type QURE' },
  })
  const url = created.headers.get('Location') ?? ''
  const part = Buffer.alloc(chunkSize, `ann${' '.repeat(8188)}\n`)
  const send = async (from: number, count: number) => {
    for (let i = from; i < from + count; i++) {
      const sent = await fetch(url, {
        ...{ method: 'PATCH', body: part },
        headers: {
          ...{ ...headers, 'Content-Type': 'application/offset+octet-stream' },
          'Upload-Offset': `${i * chunkSize}`,
        },
      })
      assert.equal(sent.headers.get('Upload-Offset'), `${(i + 1) * chunkSize}`)
    }
    return server.memory()?.now
  }
  const few = await send(0, 4)
  const many = await send(4, 12)
  assert.equal((await fetch(url, { method: 'DELETE', headers })).status, 204)
  if (few === undefined || many === undefined) return t.skip('there is no /proc')
  t.diagnostic(
    `${(few / mebibyte).toFixed(0)} MiB after 32, ${(many / mebibyte).toFixed(0)} after 128`,
  )
  // Of the 96 MiB that are sent between, most would show if they were kept.
  assert.ok(many - few < 48 * mebibyte)
})
