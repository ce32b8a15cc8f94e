import { setTimeout as sleep } from 'node:timers/promises'
import { answer, json } from './http.ts'

/** A move of a workspace from one database to another, as the Worker shows it. */
export interface Move {
  move_id: number
  workspace_id: number
  from: string
  to: string
  status: 'COPYING' | 'CLOSING' | 'MOVED' | 'COMPLETE' | 'GOING_BACK' | 'CANCELLED'
  rows_copied: number
  rows_compared: number
  changes_copied: number
  paused_ms: number | null
  problem: string | null
}

/** Moves of workspaces, for the holder of the ADMIN_TOKEN. Every call throws where the answer is no success. */
export class Moves {
  readonly #url: string
  readonly #headers: Record<string, string>

  constructor(url: string, adminToken: string) {
    this.#url = `${url}/oauth/moves`
    this.#headers = { Authorization: `Bearer ${adminToken}` }
  }

  begin(workspace_id: number, to: string): Promise<Move> {
    const { headers, ...post } = json('POST', { workspace_id, to })
    const init = { ...post, headers: { ...headers, ...this.#headers } }
    return answer<Move>('beginning a move', this.#url, init)
  }

  back({ move_id }: Move): Promise<Move> {
    const init = { method: 'POST', headers: this.#headers }
    return answer<Move>('going back', `${this.#url}/${move_id}/back`, init)
  }

  /** The newest of a workspace. */
  async newest(workspace: number): Promise<Move | undefined> {
    const url = `${this.#url}?workspace_id=${workspace}`
    const init = { headers: this.#headers }
    const { moves } = await answer<{ moves: Move[] }>('listing moves', url, init)
    return moves[0]
  }

  /** Once the workspace is where it is to stay; `show` gets how far it is until then. */
  async ended(workspace: number, show: (move: Move) => void = () => {}): Promise<Move> {
    for (;;) {
      const move = await this.newest(workspace)
      if (move === undefined) throw new Error(`Nobody has moved the workspace ${workspace}`)
      show(move)
      if (['MOVED', 'COMPLETE', 'CANCELLED'].includes(move.status)) return move
      await sleep(250)
    }
  }
}
