import { problemWords } from '../jobs/problem-words.ts'
import { element } from './element.ts'
import type { Look, LookRow } from './file-look.ts'
import { bytesText } from './numbers.ts'

const separatorNames: Record<string, string> = {
  ',': 'comma',
  ';': 'semicolon',
  '\t': 'tab',
  '|': 'bar',
}

/** Characters that are shown of a field, and columns of the rows. */
const shownMost = 64
const columnsMost = 12

/** What a file looks like: its name and size, how it is read, and its first rows. */
export function showLook(file: File, look: Look, participantMax: number): HTMLElement[] {
  const name = element(
    'p',
    {},
    element('bdi', { class: 'strong' }, file.name),
    `, ${bytesText(file.size)}`,
  )
  if (look.what !== undefined)
    return [
      name,
      wrong(
        `This is not a list of ids: it looks like ${look.what}. Save it as CSV, and choose that.`,
      ),
    ]
  if (!look.isText)
    return [name, wrong('This is not text. Save it as CSV in UTF-8, and choose that.')]
  if (look.rows.length === 0) return [name, wrong('There is nobody in this file.')]
  const several =
    'Several columns are filled, so each row would be refused. Keep only the column of ids.'
  return [
    name,
    element('p', { class: 'help' }, howItIsRead(look)),
    ...(look.isAmbiguous ? [wrong(several)] : []),
    firstRows(look, participantMax),
  ]
}

export const wrong = (text: string) => element('p', { class: 'wrong' }, text)

function howItIsRead({ columns, separator, headed }: Look): string {
  const [by, shape] = [
    separatorNames[separator] ?? separator,
    columns === 1 ? 'One column' : `${columns} columns`,
  ]
  const first = headed ? 'the first row names the columns' : 'the first row is a person'
  return columns === 1 ? `${shape}; ${first}.` : `${shape}, separated by ${by}; ${first}.`
}

function firstRows({ rows, columns: all }: Look, participantMax: number): HTMLElement {
  const words = problemWords(participantMax)
  const columns = Math.min(all, columnsMost)
  const numbers = Array.from({ length: columns }, (_, i) => i)
  const names = ['Line', 'Read as', ...numbers.map((i) => `Column ${i + 1}`)]
  const name = 'The first rows of the file'
  const head = element('tr', {}, ...names.map((text) => element('th', { scope: 'col' }, text)))
  const body = rows.map((row) =>
    element(
      'tr',
      {},
      element('td', {}, String(row.line)),
      element('td', { class: 'wide-cell' }, readAs(row, words)),
      ...numbers.map((i) => cell(row.fields[i] ?? '')),
    ),
  )
  return element(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name },
    element(
      'table',
      {},
      element('caption', { class: 'hidden' }, name),
      element('thead', {}, head),
      element('tbody', {}, ...body),
    ),
  )
}

const cell = (field: string) => {
  const shown = [...field.slice(0, 2 * shownMost)].slice(0, shownMost).join('')
  return element('td', {}, element('bdi', {}, shown === field ? field : `${shown}…`))
}

function readAs({ is }: LookRow, words: ReturnType<typeof problemWords>): HTMLElement | string {
  if (is === 'header') return 'Names of columns'
  if ('problem' in is) return element('span', { class: 'wrong' }, `Refused: ${words[is.problem]}`)
  return element('bdi', { class: 'id' }, is.id)
}
