import { describe, expect, it } from 'vitest'
import { formatOf, type HeaderMode } from '../../src/jobs/format.ts'
import { findIdColumn, isRepeatedHeader, isIdColumnName } from '../../src/jobs/header.ts'

const how = (text: string, header: HeaderMode = 'auto') =>
  formatOf(Buffer.from(text).toString('latin1'), { ended: true, header }, findIdColumn)

describe('how a file is read', () => {
  it.each([
    ['nothing', '', ',', 0],
    ['one column', 'ann\nbob\n', ',', 0],
    ['commas', 'ann,Ann\nbob,Bob\n', ',', null],
    ['semicolons', 'ann;Ann B\nbob;Bob C\n', ';', null],
    ['semicolons and a comma within', 'ann;B, Ann\nbob;C\n', ';', null],
    ['semicolons and decimal commas', 'user_id;score\nann;1,5\nbob;2,5\n', ';', null],
    ['tabs', 'ann\tAnn\nbob\tBob\n', '\t', null],
    ['bars', 'ann|Ann\nbob|Bob\n', '|', null],
    ['quoted separators', '"a;b"\n"c;d"\n', ',', 0],
    ['quoted fields', '"ann";"Ann, B"\n"bob";"Bob"\n', ';', null],
    ['semicolons from the second record on', 'ann\nbob;Bob\n', ';', null],
    ['ids with a bar, where a line names a comma', 'sep=,\nauth0|5f7c\nauth0|6a8d\n', ',', 0],
    ['a bar below a header without', 'user_id\nann|Ann\n', '|', null],
    ['a header of commas above semicolons', 'ParticipantId,Name\nann;Ann\nbob;Bob\n', ';', null],
    ['a title with a comma', 'Customers, as of May\nann;x\nbob;y\n', ';', null],
    ['a named separator and more of them', 'sep=;;;\nann;;;\n', ';', 0],
    ['another column than the ids’ filled', 'ParticipantId,Name\n,Ann\n,Bob\n', ',', null],
    ['a blank first row', ',,\nParticipantId,,\nann,,\n', ',', 0],
    ['ids in the second column', 'Nr;user_id\n;ann\n;bob\n', ';', 1],
    ['trailing semicolons', 'ann;\nbob;\n', ';', 0],
    ['trailing tabs and CR', 'ann\t\t\rbob\t\t\r', '\t', 0],
    ['a leading empty column', ';ann\n;bob\n', ';', 1],
    ['a line that names it', 'sep=;\nann;\n', ';', 0],
    ['a quoted line that names it', '"sep=|"\r\nann|\r\n', '|', 0],
    ['a line that names a tab', 'sep=\t\nann\n', '\t', 0],
    ['a line that names another sign', 'sep=^\nann^Ann\n', '^', null],
    ['a byte order mark before that line', '\ufeffsep=;\nann\n', ';', 0],
  ])('by its beginning: %s', (_, text, separator, column) => {
    expect(how(text)).toMatchObject({ separator, column, named: /sep=/.test(text) })
  })

  it.each(['sep=', 'sep=a', 'sep=;|', 'separator=;', 'sep="'])(
    'takes a first line %s for a row',
    (line) => expect(how(`${line}\nann\n`)).toMatchObject({ named: false }),
  )

  it.each([
    ['auto', 'user_id\nann\n', true],
    ['auto', 'ann\nbob\n', false],
    ['auto', 'ParticipantId,Notes\nann,\n', true],
    ['present', 'ann\nbob\n', true],
    ['absent', 'user_id\nann\n', false],
  ] as const)('has a header where it is %s: %j', (mode, text, headed) => {
    expect(how(text, mode)).toMatchObject({ headed, column: 0 })
  })
})

describe('a column of ids', () => {
  it.each([
    ...['ParticipantId', 'participant_id', 'PARTICIPANT ID', 'Participant-Id', 'participant ids'],
    ...['user_id', 'User ID', 'userId', 'USER-ID', '\ufeffuser_id', 'user\u200bid', 'user\u00a0id'],
    ...['customer_id', 'customerId', 'Customer ID', 'member_id', 'Member-ID', 'email', 'E-Mail'],
    ...['Email Address', 'id', 'ID', 'mpid', 'external_id', 'account id', 'client.id', 'ＩＤ'],
    ...['userId:', 'Customer ID*', 'user id (required)', '$distinct_id', 'cust_id', 'account no.'],
  ])('may be called %j', (name) => expect(isIdColumnName(name)).toBe(true))

  it.each(['ann', 'id1', 'user 7', 'emails@example.com', '', '42', 'identity theft', '手'])(
    'is not called %j',
    (name) => expect(isIdColumnName(name)).toBe(false),
  )
})

it.each([
  ['ParticipantId', true],
  ['user_id', true],
  ['Customer IDs', true],
  ['id', false],
  ['email', false],
  ['login', false],
  ['superuserid', false],
])('%s can only name a column: %s', (name, only) => expect(isRepeatedHeader(name, '')).toBe(only))

it.each([
  ['E-Mail', 'email', true],
  ['email', 'userid', false],
  ['sep=;', '', true],
])('%s below a header of %s is one again: %s', (id, name, again) =>
  expect(isRepeatedHeader(id, name)).toBe(again),
)
