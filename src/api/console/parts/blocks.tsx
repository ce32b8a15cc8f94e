import type { Child, PropsWithChildren } from 'hono/jsx'

export type Tone = 'good' | 'wait' | 'bad' | 'none'

/** A status as a word and a colour. */
export const Status = ({ tone, children }: PropsWithChildren<{ tone: Tone }>) => (
  <span class={`status ${tone}`}>{children}</span>
)

/** What an empty list is for, and how to make the first. */
export const Empty = ({ title, children }: PropsWithChildren<{ title: string }>) => (
  <div class="empty">
    <p class="strong">{title}</p>
    {children}
  </div>
)

export type Fact = [name: string, value: Child]

/** Facts by name. */
export const Facts = ({ of }: { of: Fact[] }) => (
  <dl class="facts">
    {of.map(([name, value]) => (
      <div>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

export const Section = ({ title, children }: PropsWithChildren<{ title: string }>) => (
  <section>
    <h2>{title}</h2>
    {children}
  </section>
)
