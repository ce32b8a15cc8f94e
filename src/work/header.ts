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

/** Whether a field names a column of ids: case and all but letters do not matter, nor a remark in brackets. */
export function namesIds(field: string): boolean {
  // ResolvedRule of every row: most ids are longer, or have a digit, which no name has.
  if (field.length > longestName || /\d/.test(field)) return false
  if (/^[a-z]*$/i.test(field)) return idColumns.has(field.toLowerCase())
  const name = field
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\([^()]*\)|[^\p{L}]/gu, '')
  return idColumns.has(name)
}

/** Whether a text can only be the name of a column of ids: others may be somebody's id. */
export const namesNobody = (field: string): boolean =>
  /(participant|user|customer|member|client|account).?ids?$/i.test(field) && namesIds(field)

/** Which column a file's first row names as that of ids; -1 where it names somebody instead. */
export const idColumn = (fields: string[]): number => fields.findIndex(namesIds)
