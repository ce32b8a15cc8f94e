import { getTableName, is } from 'drizzle-orm'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { describe, expect, it } from 'vitest'
import * as schema from '../../src/db/schema.ts'
import { ofNoWorkspace, tables } from '../../src/moving/tables.ts'

const inSchema = Object.values(schema).flatMap((one) => (is(one, SQLiteTable) ? [one] : []))
const columnsOf = (name: string) =>
  inSchema
    .filter((table) => getTableName(table) === name)
    .flatMap((table) => getTableConfig(table).columns)

describe('the tables of a move', () => {
  it('are all that there are, but for those of no workspace', () => {
    expect([...tables.map(({ name }) => name), ...ofNoWorkspace].sort()).toEqual(
      inSchema.map(getTableName).sort(),
    )
  })

  it.each(tables.map((table) => [table.name, table] as const))(
    '%s is named by its primary key',
    (name, { key }) => {
      const [table] = inSchema.filter((table) => getTableName(table) === name)
      if (table === undefined) throw new Error('there is no such table')
      const { columns, primaryKeys } = getTableConfig(table)
      const alone = columns.filter(({ primary }) => primary).map((column) => column.name)
      const together = primaryKeys.flatMap((key) => key.columns.map((column) => column.name))
      expect(key).toEqual([...alone, ...together])
    },
  )

  it.each(tables.map((table) => [table.name, table] as const))(
    '%s says whose its rows are, or whose their parents are',
    (name, { of }) => {
      const owner = of?.parent ?? name
      expect(columnsOf(owner).map((column) => column.name)).toContain('workspace_id')
      if (of === undefined) return
      expect(columnsOf(name).map((column) => column.name)).toContain(of.by)
      const places = tables.map((table) => table.name)
      expect(places.indexOf(of.parent)).toBeLessThan(places.indexOf(name))
    },
  )
})
