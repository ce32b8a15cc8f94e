import { dim, green } from './colour.ts'

const width = 30

/** A progress line that is redrawn on a terminal; elsewhere only its end is written. */
export interface Progress {
  /** `fraction` goes from 0 to 1. */
  at: (fraction: number) => void
  end: (note: string) => void
}

export function progress(label: string): Progress {
  const draw = (fraction: number, rest: string) => {
    const full = Math.round(width * fraction)
    const bar = `${green('█'.repeat(full))}${dim('░'.repeat(width - full))}`
    return `   ${label.padEnd(8)}${bar}  ${rest}`
  }
  const { stdout } = process
  return {
    at: (fraction) => {
      if (stdout.isTTY) stdout.write(`\r${draw(fraction, `${Math.floor(100 * fraction)} %`)}\x1b[K`)
    },
    end: (note) => {
      stdout.write(stdout.isTTY ? `\r${draw(1, note)}\x1b[K\n` : `   ${label.padEnd(8)}${note}\n`)
    },
  }
}
