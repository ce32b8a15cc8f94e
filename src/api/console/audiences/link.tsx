import type { Context } from 'hono'
import type { Http } from '../../http.ts'
import { may } from '../parts/page.tsx'
import { audiencePath } from '../paths.ts'

interface AudienceLinkProps {
  c: Context<Http>
  id: string
  /** Null where it is not known. */
  name: string | null
}

/** An audience by its name, with a link for whoever may see it. */
export function AudienceLink({ c, id, name }: AudienceLinkProps) {
  if (!may(c, 'audiences:read')) return <>An audience</>
  return (
    <a href={audiencePath(id)}>
      <bdi>{name ?? id}</bdi>
    </a>
  )
}
