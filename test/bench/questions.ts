import { randomInt } from 'node:crypto'
import type { Request } from 'autocannon'
import { Expectations } from '../local/expectations.ts'
import type { FullGroup } from './groups.ts'

/** A request, and what its answer should say. */
export interface Question {
  path: string
  headers: Record<string, string>
  method?: Extract<Request['method'], 'POST'>
  body?: string
  expected: object
}

type Headers = Question['headers']

/** Whether someone is in a group: every other one is. */
export const memberRequests = (groups: FullGroup[], headers: Headers, count: number): Question[] =>
  randomSeats(groups, count).map(({ group, participant, member }) => ({
    path: `/groups/v3/groups/${group.id}/participants/${participant}`,
    headers,
    expected: { member },
  }))

/** The same as OpenFeature clients request it. */
export const flagRequests = (groups: FullGroup[], headers: Headers, count: number): Question[] =>
  randomSeats(groups, count).map(({ group, participant, member }) =>
    post(
      `/ofrep/v1/evaluate/flags/${group.name}`,
      headers,
      { context: { targetingKey: participant } },
      { value: member },
    ),
  )

/** In which groups each of so many is. */
export const membershipsRequests = (
  groups: FullGroup[],
  headers: Headers,
  count: number,
  each: number,
): Question[] =>
  Array.from({ length: count }, () => {
    const seats = Array.from({ length: each }, () => randomSeat(groups, true))
    const memberships = seats.map(({ group, participant }) => ({
      participantId: participant,
      groupIds: [group.id],
    }))
    return post(
      '/groups/v3/memberships',
      headers,
      { participantIds: seats.map(({ participant }) => participant) },
      { memberships },
    )
  })

/** Who of the participants is in a group that all are in. */
export const membershipsOf = (
  headers: Headers,
  { id }: FullGroup,
  participantIds: string[],
): Question =>
  post(
    '/groups/v3/memberships',
    headers,
    { participantIds, groupIds: [id] },
    {
      memberships: participantIds.map((participantId) => ({ participantId, groupIds: [id] })),
    },
  )

export const post = (path: string, headers: Headers, body: object, expected: object): Question => ({
  path,
  headers: { ...headers, 'Content-Type': 'application/json' },
  method: 'POST',
  body: JSON.stringify(body),
  expected,
})

interface Seat {
  group: FullGroup
  participant: string
  member: boolean
}

const randomSeats = (groups: FullGroup[], count: number): Seat[] =>
  Array.from({ length: count }, (_, i) => randomSeat(groups, i % 2 === 0))

function randomSeat(groups: FullGroup[], member: boolean): Seat {
  const at = randomInt(groups.length)
  const [home, group] = [groups[at], groups[(at + (member ? 0 : 1)) % groups.length]]
  const participant = home?.participants[randomInt(home.participants.length)]
  if (group === undefined || participant === undefined)
    throw new Error('There is a group without members')
  return { group, participant, member }
}

/** A figure counts only if its answers are right: requests all once, and throws otherwise. */
export async function check(url: string, questions: Question[]): Promise<void> {
  const expect = new Expectations()
  for (const { path, expected, ...init } of questions) {
    const response = await fetch(url + path, init)
    const came: object = Object(await response.json())
    expect.compare(`HTTP ${response.status} of ${path}`, came, expected)
  }
  const [first] = expect.differences
  if (first !== undefined)
    throw new Error(`${expect.differences.length} wrong answers, such as ${first}`)
}
