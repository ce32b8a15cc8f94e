export const closed = 'must name a public host'
export const scheme = 'must begin with https://'
export const noUrl = 'must be a URL'
export const long = `https://hooks.example.com/${'x'.repeat(2048)}`

/** Refused whether this machine is allowed or not. */
export const hostile: Record<string, [problem: string, ...urls: string[]]> = {
  'the rest of the loopback network': [
    closed,
    'https://127.0.0.2/',
    'https://127.255.255.255/',
    'https://127.1.2.3:8443/x',
  ],
  'this network': [
    closed,
    'https://0.0.0.0/',
    'https://0/',
    'https://0x0/',
    'https://0.255.255.255/',
    'https://00000000000/',
  ],
  'private networks': [
    closed,
    ...[
      'https://10.0.0.1/',
      'https://10.255.255.255/',
      'https://172.16.0.1/',
      'https://172.31.255.255/',
      'https://192.168.0.1/',
    ],
    ...['https://192.168.255.255/', 'https://192.168.1.1.:443/'],
  ],
  'private networks in other spellings': [
    closed,
    ...[
      'https://0xa.0.0.1/',
      'https://0xa000001/',
      'https://167772161/',
      'https://012.1/',
      'https://10.1/',
      'https://10.0.1/',
    ],
    ...[
      'https://0300.0250.0.1/',
      'https://3232235521/',
      'https://0xC0A80001/',
      'https://192.168.257/',
      'https://0xac.16.1/',
    ],
  ],
  'links and metadata': [
    closed,
    ...[
      'https://169.254.169.254/latest/meta-data/',
      'https://169.254.0.0/',
      'https://169.254.255.255/',
      'https://2852039166/',
    ],
    ...[
      'https://0xa9fea9fe/',
      'https://0xA9.0xFE.0xA9.0xFE/',
      'https://0251.0376.0251.0376/',
      'https://025177524776/',
    ],
    ...[
      'https://169.254.43518/',
      'https://169.16689662/',
      'https://169.254.169.254./',
      'https://metadata.google.internal/computeMetadata/v1/',
    ],
    ...[
      'https://metadata/',
      'https://instance-data/',
      'https://100.100.100.200/',
      'https://192.0.0.192/',
      'https://[fd00:ec2::254]/',
    ],
  ],
  'networks of carriers': [
    closed,
    'https://100.64.0.0/',
    'https://100.127.255.255/',
    'https://1681915904/',
  ],
  'reserved networks': [
    closed,
    ...[
      'https://192.0.0.1/',
      'https://192.0.2.1/',
      'https://192.88.99.1/',
      'https://198.18.0.1/',
      'https://198.19.255.255/',
    ],
    ...[
      'https://198.51.100.1/',
      'https://203.0.113.1/',
      'https://240.0.0.1/',
      'https://255.255.255.255/',
      'https://4294967295/',
    ],
  ],
  'many at once': [
    closed,
    'https://224.0.0.1/',
    'https://239.255.255.255/',
    'https://[ff02::1]/',
    'https://[ff0e::1]/',
  ],
  'no address of IPv6': [
    closed,
    'https://[::]/',
    'https://[0:0:0:0:0:0:0:0]/',
    'https://[100::1]/',
    'https://[::2]/',
    'https://[1::]/',
  ],
  'private networks of IPv6': [
    closed,
    ...[
      'https://[fe80::1]/',
      'https://[FEBF::1]/',
      'https://[fec0::1]/',
      'https://[fc00::1]/',
      'https://[fdff:ffff::1]/',
    ],
  ],
  'IPv4 in IPv6': [
    closed,
    ...[
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:7f00:1]/',
      'https://[::FFFF:10.0.0.1]/',
      'https://[0:0:0:0:0:ffff:a9fe:a9fe]/',
    ],
    ...[
      'https://[::127.0.0.1]/',
      'https://[::7f00:1]/',
      'https://[::169.254.169.254]/',
      'https://[::ffff:0:127.0.0.1]/',
    ],
  ],
  'IPv4 behind a translator': [
    closed,
    ...[
      'https://[64:ff9b::7f00:1]/',
      'https://[64:ff9b::10.0.0.1]/',
      'https://[64:ff9b:1::a00:1]/',
      'https://[2002:7f00:1::]/',
    ],
    ...[
      'https://[2002:c0a8:101::1]/',
      'https://[2001:0:7f00:1::]/',
      'https://[2001::1]/',
      'https://[2001:0000:4136:e378:8000:63bf:3fff:fdd2]/',
    ],
  ],
  'reserved networks of IPv6': [
    closed,
    ...[
      'https://[2001:db8::1]/',
      'https://[2001:2::1]/',
      'https://[2001:10::1]/',
      'https://[2001:20::1]/',
      'https://[3fff::1]/',
    ],
    ...[
      'https://[4000::1]/',
      'https://[5f00::1]/',
      'https://[1fff:ffff::1]/',
      'https://[2001:1ff::1]/',
    ],
  ],
  'names of a neighbour': [
    closed,
    'https://intranet/',
    'https://router./',
    'https://db:5432/',
    'https://com/',
    'https://kubernetes/',
  ],
  'names that are never public': [
    closed,
    ...[
      'https://a.localhost/',
      'https://localhost.localdomain/',
      'https://printer.local/',
      'https://db.internal/',
      'https://x.intranet/',
    ],
    ...[
      'https://nas.lan/',
      'https://nas.home/',
      'https://ad.corp/',
      'https://x.private/',
      'https://nas.home.arpa/',
      'https://1.0.0.10.in-addr.arpa/',
    ],
    ...[
      'https://x.onion/',
      'https://x.test/',
      'https://x.example/',
      'https://x.invalid/',
      'https://PRINTER.LOCAL./',
      'https://a.b.svc.cluster.local/',
    ],
  ],
  'names that stand for any address': [
    closed,
    ...[
      'https://127.0.0.1.nip.io/',
      'https://10-0-0-1.sslip.io/',
      'https://10.0.0.1.xip.io/',
      'https://localtest.me/',
    ],
    ...[
      'https://x.localtest.me/',
      'https://lvh.me/',
      'https://vcap.me/',
      'https://A9FEA9FE.NIP.IO/',
      'https://nip.io./',
    ],
  ],
  'digits and dots of other scripts': [
    closed,
    ...[
      'https://１０.０.０.１/',
      'https://⑩.0.0.1/',
      'https://169。254。169。254/',
      'https://169．254．169．254/',
      'https://ｉｎｔｒａｎｅｔ/',
    ],
  ],
  'hosts in percent signs': [
    closed,
    'https://%31%30.0.0.1/',
    'https://169.254.169%2E254/',
    'https://x%2elocal/',
    'https://%6D%65tadata/',
  ],
  'slashes and blanks in their own way': [
    closed,
    ...[
      'https:10.0.0.1',
      'https:/10.0.0.1/',
      'https:\\\\10.0.0.1\\',
      ' \thttps://10.0.0.1/ ',
      'ht\ntps://10.0.\t0.1/',
      'HTTPS:////10.0.0.1/',
    ],
    ...[
      'https://10.0.0.1\\@hooks.example.com/',
      'https://10.0.0.1?@hooks.example.com/',
      'https://meta\u00addata/',
    ],
  ],
  'a user': [
    'must not name a user',
    ...[
      'https://ann@hooks.example.com/',
      'https://ann:secret@hooks.example.com/',
      'https://:secret@hooks.example.com/',
    ],
    ...[
      'https://hooks.example.com@10.0.0.1/',
      'https://hooks.example.com%2F@169.254.169.254/',
      'https://ann@127.0.0.1/',
    ],
  ],
  'a fragment': [
    'must not have a fragment',
    'https://hooks.example.com/#x',
    'https://hooks.example.com/?a#@10.0.0.1/',
  ],
  'other schemes': [
    scheme,
    ...[
      'ftp://hooks.example.com/',
      'ws://hooks.example.com/',
      'wss://hooks.example.com/',
      'file:///etc/passwd',
      'javascript:alert(1)',
    ],
    ...[
      'data:text/plain,x',
      'gopher://hooks.example.com/',
      'blob:https://hooks.example.com/x',
      'localhost:8080',
      'httpss://hooks.example.com/',
    ],
  ],
  'no URL': [
    noUrl,
    ...[
      '',
      'x',
      'hooks.example.com',
      '//hooks.example.com/',
      '/x',
      'https://',
      'https:///',
      'https://256.0.0.1/',
      'https://1.2.3.4.5/',
    ],
    ...[
      'https://0x100000000/',
      'https://09.0.0.1/',
      'https://[::1/',
      'https://[fe80::1%25eth0]/',
      'https://[::ffff:127.0.0.256]/',
    ],
    ...[
      'https://hooks.example.com:65536/',
      'https://hooks .example.com/',
      'https://hooks.example.com\0.x/',
      'https://x%00.example.com/',
    ],
    ...['https://a<b.example.com/', 'https://x.0x7f/', 'https://%2F10.0.0.1/'],
  ],
  'no end': ['cannot exceed 2048 characters', long],
}

/** Refused, but for this machine. */
export const ours: Record<string, [problem: string, ...urls: string[]]> = {
  'this machine': [
    closed,
    ...[
      'https://localhost/',
      'https://LOCALHOST:8443/',
      'https://localhost./',
      'https://localhost../',
      'https://127.0.0.1/',
      'https://[::1]/',
    ],
    ...[
      'https://127.0.0.1./',
      'https://[0:0:0:0:0:0:0:1]/',
      'https://[0000::0001]:443/',
      'https://[::0.0.0.1]/',
    ],
  ],
  'this machine in other spellings': [
    closed,
    ...[
      'https://2130706433/',
      'https://0x7f000001/',
      'https://0x7F.1/',
      'https://017700000001/',
      'https://0177.0.0.1/',
      'https://127.1/',
    ],
    ...[
      'https://127.0.1/',
      'https://0x7f.0x0.0x0.0x1/',
      'https://00000177.0.0.1/',
      'https://１２７.０.０.１/',
      'https://127。0。0。1/',
    ],
    ...[
      'https://%6c%6f%63alhost/',
      'https://%31%32%37.0.0.1/',
      'https://ⓛocalhost/',
      'https://local\u00adhost/',
      'https:\\\\127.1\\',
    ],
  ],
  http: [
    scheme,
    'http://hooks.example.com/',
    'HTTP://8.8.8.8/',
    'http://localhost:8080/',
    'http://127.0.0.1:1/',
    'http://[::1]:1/',
  ],
}

export const good: Record<string, string[]> = {
  names: [
    ...[
      'https://hooks.example.com/x?y=z&a=%00',
      'https://HOOKS.example.com./',
      'https://example.org:8443/',
      'https://bücher.example.org/',
    ],
    ...[
      'https://xn--bcher-kva.example.org',
      'https://a_b.example.org/',
      'https://10.0.0.1.example.org/',
      'https://0x7f.0.0.1.example.org/',
    ],
  ],
  'names that begin or end like a closed one': [
    ...[
      'https://localhost.example.org/',
      'https://local.example.org/',
      'https://internal.example.org/',
      'https://mylocalhost.com/',
    ],
    ...[
      'https://unlocal.com/',
      'https://test.com/',
      'https://example.com/',
      'https://notnip.io/',
      'https://home.dev/',
      'https://corp.io/',
    ],
  ],
  'addresses of IPv4': [
    'https://8.8.8.8/',
    'https://1.1.1.1:8443/x',
    'https://134744072/',
    'https://0x08080808/',
    'https://8.8.8.8./',
  ],
  'addresses just outside of a network that is not': [
    ...[
      '1.0.0.0',
      '9.255.255.255',
      '11.0.0.0',
      '100.63.255.255',
      '100.128.0.0',
      '126.255.255.255',
      '128.0.0.0',
      '169.253.255.255',
    ],
    ...[
      '169.255.0.0',
      '172.15.255.255',
      '172.32.0.0',
      '191.168.0.1',
      '192.0.1.0',
      '192.0.3.0',
      '192.1.0.0',
      '192.1.2.1',
      '192.88.98.255',
    ],
    ...[
      '192.88.100.0',
      '192.167.255.255',
      '192.169.0.0',
      '198.17.255.255',
      '198.20.0.0',
      '198.50.100.1',
      '198.51.99.255',
      '198.51.101.0',
    ],
    ...[
      '203.0.112.255',
      '203.0.114.0',
      '203.1.113.0',
      '202.0.113.1',
      '223.255.255.255',
      '101.64.0.1',
      '173.16.0.1',
    ],
  ].map((address) => `https://${address}/`),
  'addresses of IPv6': [
    ...[
      '2001:4860:4860::8888',
      '2606:4700:4700::1111',
      '2000::1',
      '2001:200::1',
      '2001:db7:ffff::1',
      '2001:db9::1',
      '2001:400::',
    ],
    ...[
      '2003::1',
      '2a00:1450:4001:82a::200e',
      '2004::',
      '3ffe::1',
      '2620:4f:8000::1',
      '2a10:ffff:0:0:0:0:127.0.0.1',
    ],
  ].map((address) => `https://[${address}]/`),
}

export const each = (table: Record<string, [string, ...string[]]>) =>
  Object.entries(table).flatMap(([what, [problem, ...urls]]) =>
    urls.map((url) => [what, problem, url] as const),
  )
export const shut = [...each(hostile), ...each(ours)]
