interface FindPersonProps {
  /** The page that answers, by its query `person`. */
  path: string
  placeholder: string
  found: { id: string; is: string } | undefined
}

/** Asks what somebody is to a group or a job, and says it. */
export const FindPerson = ({ path, placeholder, found }: FindPersonProps) => (
  <>
    <form class="search" action={path} role="search">
      <input
        name="person"
        value={found?.id}
        aria-label="Id of a person"
        placeholder={placeholder}
        autocomplete="off"
      />
      <button>Look up</button>
    </form>
    {found && (
      <p role="status">
        <bdi class="strong">{found.id}</bdi> {found.is}
      </p>
    )}
  </>
)
