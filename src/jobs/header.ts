/** Names of columns of ids, in small letters. */
const idColumns = new Set(
  [
    'id ids identifier uid uuid guid mpid idfa email emailaddress hashedemail mail login username',
    'participant participants participantid participantids participantno participantnumber',
    'userid userids userno usernumber useruuid userguid uniqueid loginid',
    'customerid customerids customerno customernumber custid custno kundennummer kundennr',
    'memberid memberids memberno membernumber clientid clientno accountid accountno accountnumber',
    'personid profileid contactid contactkey leadid employeeid recordid subscriberid subscriberkey',
    'externalid externaluserid externalcustomerid visitorid deviceid distinctid anonymousid',
    'amplitudeid targetingkey phone phonenumber',
  ].flatMap((names) => names.split(' ')),
)

const longestName = 32

/** The letters of a name in small, without what is in brackets. */
export const lettersOf = (name: string): string =>
  /^[a-z]*$/i.test(name)
    ? name.toLowerCase()
    : name
        .normalize('NFKC')
        .toLowerCase()
        .replace(/\([^()]*\)|[^\p{L}]/gu, '')

/** Whether a field names a column of ids, compared by `lettersOf`. */
export function isIdColumnName(field: string): boolean {
  // Fast, for every row: most ids are longer or have digits.
  if (field.length > longestName || /\d/.test(field)) return false
  return idColumns.has(lettersOf(field))
}

/** Whether such a name cannot be somebody's id. */
const isOnlyColumnName = (field: string): boolean =>
  /(participant|user|customer|member|client|account).?ids?$/i.test(field) && isIdColumnName(field)

/** Whether an id is a header in the middle, as of joined files; `name` is the file's own header. */
export const isRepeatedHeader = (id: string, name: string): boolean =>
  !/\d/.test(id) &&
  (isOnlyColumnName(id) || /^sep=.?$/i.test(id) || (name !== '' && lettersOf(id) === name))

/** The column of ids by a file's first row; -1 where that is no header. */
export const findIdColumn = (fields: string[]): number => fields.findIndex(isIdColumnName)
