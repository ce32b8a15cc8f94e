import type { Context } from 'hono'
import type { Http } from '../../http.ts'
import { may } from '../parts/page.tsx'
import { audiencePath } from '../paths.ts'

interface AudienceLinkProps {
  c: Context<Http>
  id: string
  /** Of audiences, by their ids. */
  names: ReadonlyMap<string, string>
}

/** An audience by its name, with a link for whoever may see it. */
export function AudienceLink({ c, id, names }: AudienceLinkProps) {
  if (!may(c, 'audiences:read')) return <>An audience</>
  return (
    <a href={audiencePath(id)}>
      <bdi>{names.get(id) ?? id}</bdi>
    </a>
  )
}
