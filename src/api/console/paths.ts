export const groupPath = (id: string): string => `/console/groups/${encodeURIComponent(id)}`

export const jobPath = (id: string): string => `/console/jobs/${encodeURIComponent(id)}`

export const audiencePath = (id: string): string => `/console/audiences/${encodeURIComponent(id)}`

export const experimentPath = (id: string): string =>
  `/console/experiments/${encodeURIComponent(id)}`

export const webhookPath = (id: string): string => `/console/webhooks/${encodeURIComponent(id)}`

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
