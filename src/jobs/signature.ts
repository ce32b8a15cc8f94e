/** How files that are no text begin, one character per byte. */
const signatures: [what: string, beginning: RegExp][] = [
  ['a PDF document', /^\s*%PDF-/],
  ['a PostScript document', /^%!PS-/],
  ['an RTF document', /^\{\\rtf/],
  ['an old Excel or Office document', /^\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1/],
  ['an old Excel sheet', /^\x09[\x00-\x08][\x04-\x08]\x00/],
  ['a PNG image', /^\x89PNG\r\n\x1a\n/],
  ['a JPEG image', /^\xff\xd8\xff/],
  ['a GIF image', /^GIF8[79]a/],
  ['a TIFF image', /^(II\*\0|MM\0\*)/],
  ['a BMP image', /^BM[^]{4}\0{4}/],
  ['a WebP image', /^RIFF[^]{4}WEBP/],
  ['a sound or a film', /^(RIFF[^]{4}(WAVE|AVI )|OggS\0|fLaC\0|ID3[\x02-\x04]\0|\x1a\x45\xdf\xa3)/],
  ['an image or a film', /^\0[^]{3}ftyp/],
  ['a Photoshop image', /^8BPS\0/],
  ['an icon', /^\0\0[\x01\x02]\0/],
  ['a gzip file within a gzip file', /^\x1f\x8b/],
  ['a bzip2 archive', /^BZh[1-9]1AY&SY/],
  ['a 7z archive', /^7z\xbc\xaf\x27\x1c/],
  ['a RAR archive', /^Rar!\x1a\x07/],
  ['an xz archive', /^\xfd7zXZ\0/],
  ['a Zstandard archive', /^\x28\xb5\x2f\xfd/],
  ['an LZ4 archive', /^\x04\x22\x4d\x18/],
  ['a compressed archive', /^\x1f[\x9d\xa0]/],
  ['a tar archive', /^[^]{257}ustar(\0|  \0)/],
  ['a CAB archive', /^MSCF\0{4}/],
  ['an ar archive', /^!<arch>\n/],
  ['a SQLite database', /^SQLite format 3\0/],
  ['a Parquet file', /^PAR1[\0-\x08\x0e-\x1f]/],
  ['an Avro file', /^Obj\x01/],
  ['an Arrow file', /^ARROW1\0/],
  ['a program', /^(\x7fELF|MZ[^]{2}[\0-\x1f]\0|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe|\0asm)/],
]

/** What a ZIP archive is by the names of its first entries. */
const zipped: [what: string, name: RegExp][] = [
  ['a Word document', /word\//],
  ['a PowerPoint presentation', /ppt\//],
  ['an Excel workbook', /xl\/|\[Content_Types\]\.xml|_rels\/|docProps\//],
  ['an OpenDocument file', /mimetypeapplication\/vnd\.oasis/],
  ['a Numbers or Pages document', /Index\/|Metadata\/Properties\.plist/],
]

/** How texts that are no lists begin, after blanks. */
const markup: [what: string, beginning: RegExp][] = [
  ['an HTML page', /^<(!doctype\s+html|html|head|body|table|script|div|meta)\b/i],
  ['an XML document', /^<(\?|!--|!doctype|!\[cdata\[|[a-z_][\w:.-]*(\s[^>]*)?\/?>)/i],
  ['JSON', /^(\{\s*("|\}|$)|\[\s*($|[{["\]]|(-?\d[\d.e+-]*|true|false|null)\s*[,\]]))/],
]

/** What kind of file it is if it is no list; undefined if it may be one. */
export function looksLike(head: Uint8Array): string | undefined {
  const bytes = Buffer.from(head).toString('latin1')
  if (/^PK(\x03\x04|\x05\x06|\x07\x08)/.test(bytes))
    return zipped.find(([, name]) => name.test(bytes))?.[0] ?? 'a ZIP archive'
  const text = bytes.replace(/^(?:\xef\xbb\xbf|\s)+/, '')
  const found =
    signatures.find(([, beginning]) => beginning.test(bytes)) ??
    markup.find(([, beginning]) => beginning.test(text))
  return found?.[0]
}

export const isGzip = (head: Uint8Array): boolean => head[0] === 0x1f && head[1] === 0x8b

/** The byte order of a file in UTF-16 by its mark; undefined for other files. */
export function utf16Of(head: Uint8Array): 'little-endian' | 'big-endian' | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return 'little-endian'
  return head[0] === 0xfe && head[1] === 0xff ? 'big-endian' : undefined
}
