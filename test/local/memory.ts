import { readdirSync, readFileSync } from 'node:fs'

/** Resident memory in bytes. */
export interface Memory {
  now: number
  peak: number
}

/**
 * The memory of a process group's workerd processes, and the sum of their peaks; undefined without
 * /proc.
 */
export function workerdMemory(group: number): Memory | undefined {
  const sum = { now: 0, peak: 0 }
  for (const pid of processes()) {
    const [name, owner] = nameAndGroup(pid)
    if (name !== 'workerd' || owner !== group) continue
    const status = read(`/proc/${pid}/status`)
    sum.now += kibibytes(status, 'VmRSS')
    sum.peak += kibibytes(status, 'VmHWM')
  }
  return sum.peak === 0 ? undefined : { now: sum.now * 1024, peak: sum.peak * 1024 }
}

function processes(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** proc_pid_stat(5): pid (name) state parent group … */
function nameAndGroup(pid: string): [name: string, group: number] {
  const [, name = '', group = ''] = /\((.*)\) \S+ \d+ (\d+)/.exec(read(`/proc/${pid}/stat`)) ?? []
  return [name, Number(group)]
}

function kibibytes(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0)
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // a process that has ended meanwhile
  }
}
