export const personPath = (id: string): string => `/console/people?id=${encodeURIComponent(id)}`

export const attributePath = (user: string, name: string): string =>
  `${personPath(user)}&attribute=${encodeURIComponent(name)}#attribute`

export const definitionPath = (definition: string): string =>
  `/console/households/${encodeURIComponent(definition)}`

export const householdPath = (definition: string, value: string): string =>
  `${definitionPath(definition)}/look?value=${encodeURIComponent(value)}`

export const correctionsPath = (definition: string): string =>
  `${definitionPath(definition)}/corrections`

export const runPath = (definition: string, { id }: { id: string }): string =>
  `${definitionPath(definition)}/runs/${id}`
