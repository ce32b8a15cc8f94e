import { canonical } from '../text.ts'

/** Characters; the rest is cut off. */
const lengthMost = 255

// But for the characters that join an emoji.
const unseen = /(\p{RGI_Emoji})|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gv

const visible = (text: string) => canonical(text.replace(unseen, '$1'))

/**
 * The name of an uploaded file as people are shown it: without folders, and without characters that
 * nobody sees or that turn or break the line. No file is stored under it.
 */
export function readFileName(sent: string): string {
  const parts = sent.toWellFormed().split(/[/\\]/).map(visible)
  const name = parts.findLast((part) => part !== '' && part !== '.' && part !== '..') ?? ''
  return visible([...name].slice(0, lengthMost).join('')) || 'unnamed.csv'
}
