import { canonical } from '../text.ts'

/** What columns of ids are called, in small letters, without blanks and what joins words. */
const idColumns = new Set(
  [
    'id ids identifier uid uuid guid mpid email emailaddress mail login username',
    'participant participants participantid participantids userid userids',
    'customerid customerids customernumber memberid memberids membernumber',
    'clientid accountid accountnumber personid profileid contactid subscriberid',
    'externalid externaluserid visitorid deviceid distinctid anonymousid targetingkey',
  ].flatMap((names) => names.split(' ')),
)

const longestName = 24

/** Whether a field names a column of ids: case, blanks, `_`, `-` and the invisible do not matter. */
export function namesIds(field: string): boolean {
  // Asked of every row: most ids are longer, or have a digit, which no name has.
  if (field.length > longestName || /\d/.test(field)) return false
  const name = canonical(field).toLowerCase()
  return idColumns.has(/^[a-z]*$/.test(name) ? name : name.replace(/[\s\p{Cf}_.-]/gu, ''))
}

/** Whether a file's first row names its columns instead of somebody. */
export const isHeader = (fields: string[]): boolean => fields.some(namesIds)
