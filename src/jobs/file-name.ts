import { canonical } from '../text.ts'

/** Characters that a name is cut to. */
const most = 255

// But for the characters that join an emoji.
const unseen = /(\p{RGI_Emoji})|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gv

const visible = (text: string) => canonical(text.replace(unseen, '$1'))

/**
 * The name of a file as people are shown it, which names no file of ours: without folders, and
 * without characters that nobody sees or that turn or break the line.
 */
export function readFileName(sent: string): string {
  const parts = sent.toWellFormed().split(/[/\\]/).map(visible)
  const name = parts.findLast((part) => part !== '' && part !== '.' && part !== '..') ?? ''
  return visible([...name].slice(0, most).join('')) || 'unnamed.csv'
}
