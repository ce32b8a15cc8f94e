/** Who has requested something, and how: of what goes on by itself, only a name. */
export interface Actor {
  /** A client's id; undefined where no client has requested it. */
  client?: string
  name: string
  /** The request's `transactionId`. */
  transaction?: string
  family?: 'IPv4' | 'IPv6'
  method?: string
}
