import type { Context } from 'hono'
import type { Audience } from '../../../audiences/audiences.ts'
import type { Count as Counted } from '../../../audiences/questions.ts'
import type { Http } from '../../http.ts'
import { may, Page } from '../parts/page.tsx'
import { Empty } from '../parts/blocks.tsx'
import { Count } from '../parts/figures.tsx'
import { Table } from '../parts/table.tsx'
import { audiencePath, personPath } from '../paths.ts'

interface AudienceUsersProps {
  c: Context<Http>
  audience: Audience
  counted: Counted
  listed: { users: string[]; next: string | undefined }
}

/** How many users an audience has now, and who they are. */
export function AudienceUsers({ c, audience, counted, listed }: AudienceUsersProps) {
  const path = audiencePath(audience.id)
  const { all, scanned, next } = counted
  const after = c.req.query('after') ?? ''
  const going = next && `${path}/users?continue=${next.token}&after=${encodeURIComponent(after)}`
  return (
    <Page
      c={c}
      title="Users of the audience"
      about="For whom its rule holds now, in the order of their ids."
      up={{ name: audience.name, path }}
    >
      <p class="note" id="users">
        <b>
          <Count of={all} /> {all === 1 ? 'user' : 'users'}
        </b>
        {going !== undefined && (
          <>
            {' '}
            so far, of <Count of={scanned} /> that were looked at.{' '}
            <a href={going}>Go on counting</a>
          </>
        )}
      </p>
      {listed.users.length === 0 && listed.next === undefined ? (
        <Empty title={after === '' ? 'The rule holds for nobody' : 'No more users'}>
          <p>
            <a href={path}>Look at the rule</a>
          </p>
        </Empty>
      ) : (
        <Table
          label="Users"
          rows={listed.users}
          columns={[
            {
              name: 'Id',
              cell: (id) =>
                may(c, 'users:read') ? (
                  <a class="id" href={personPath(id)}>
                    <bdi>{id}</bdi>
                  </a>
                ) : (
                  <bdi class="id">{id}</bdi>
                ),
            },
          ]}
        />
      )}
      {listed.next !== undefined && (
        <nav class="pages" aria-label="Pages">
          <a href={`${path}/users?after=${encodeURIComponent(listed.next)}`}>Next page</a>
        </nav>
      )}
    </Page>
  )
}
