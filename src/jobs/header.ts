/** What columns of ids are called, in small letters alone. */
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

/** The letters of a column's name, small, without a remark in brackets. */
export const lettersOf = (name: string): string =>
  /^[a-z]*$/i.test(name)
    ? name.toLowerCase()
    : name
        .normalize('NFKC')
        .toLowerCase()
        .replace(/\([^()]*\)|[^\p{L}]/gu, '')

/** Whether a field names a column of ids: case and all but letters do not matter, nor a remark in brackets. */
export function isIdColumnName(field: string): boolean {
  // Asked of every row: most ids are longer, or have a digit, which no name has.
  if (field.length > longestName || /\d/.test(field)) return false
  return idColumns.has(lettersOf(field))
}

/** Whether a text can only be the name of a column of ids: others may be somebody's id. */
const isOnlyColumnName = (field: string): boolean =>
  /(participant|user|customer|member|client|account).?ids?$/i.test(field) && isIdColumnName(field)

/** Whether an id is that of a header in the middle, where files were put together; `name` is what the file's own calls the ids. */
export const isRepeatedHeader = (id: string, name: string): boolean =>
  !/\d/.test(id) &&
  (isOnlyColumnName(id) || /^sep=.?$/i.test(id) || (name !== '' && lettersOf(id) === name))

/** Which column a file's first row names as that of ids; -1 where it names somebody instead. */
export const findIdColumn = (fields: string[]): number => fields.findIndex(isIdColumnName)
