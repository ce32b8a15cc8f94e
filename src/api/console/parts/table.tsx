import type { Child } from 'hono/jsx'

export interface Column<Row> {
  name: string
  cell: (row: Row) => Child
  /** Right-aligned. */
  isNumber?: boolean
  /** The link that sorts by it. */
  sort?: { href: string; order: 'ascending' | 'descending' | undefined }
}

/** A list; the first column names the row. */
export function Table<Row>({
  label,
  columns,
  rows,
}: {
  label: string
  columns: Column<Row>[]
  rows: Row[]
}) {
  return (
    <div class="scroll" tabindex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, isNumber, sort }) => (
              <th
                scope="col"
                class={isNumber === true ? 'number' : undefined}
                aria-sort={sort?.order}
              >
                {sort === undefined ? name : <a href={sort.href}>{name}</a>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {columns.map(({ name, cell, isNumber }, i) =>
                i === 0 ? (
                  <th scope="row">{cell(row)}</th>
                ) : (
                  <td class={isNumber === true ? 'number' : undefined} data-name={name}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
