import { dim, green, red } from './colour.ts'

/** Runs something that takes a while, and says so. */
export type During = <Result>(label: string, work: () => Promise<Result>) => Promise<Result>

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/** A terminal shows seconds on one line; otherwise start and end have a line each. */
export const during: During = async (label, work) => {
  const { stdout } = process
  const start = performance.now()
  const seconds = (digits: number) => `${((performance.now() - start) / 1000).toFixed(digits)} s`
  let frame = 0
  const draw = () => {
    const spinner = frames[frame++ % frames.length] ?? ''
    stdout.write(`\r${spinner} ${label} … ${dim(seconds(0))}\x1b[K`)
  }
  const end = (mark: string) => {
    const [from, to] = stdout.isTTY ? ['\r', '\x1b[K'] : ['', '']
    console.log(`${from}${mark} ${label} ${dim(seconds(1))}${to}`)
  }
  if (!stdout.isTTY) console.log(`… ${label}`)
  const timer = stdout.isTTY ? setInterval(draw, 100) : undefined
  try {
    const result = await work()
    end(green('✓'))
    return result
  } catch (error) {
    end(red('✗'))
    throw error
  } finally {
    clearInterval(timer)
  }
}
