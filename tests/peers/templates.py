"""Templates to compare with Go: what people write, each function on its own, and each on values of every sort."""

from typing import Any, Final

SECRETS: Final[dict[str, Any]] = {
    "user": "alice",
    "password": "p@ss:w0rd/\"quoted\" 'single' \\ <&>",
    "host": "db.example.com",
    "empty": "",
    "unicode": "Grüße, 世界 🌍",
    "lines": "first\nsecond\n  third\n",
    "b64": "AAECA//+/Q==",
    "json": '{"a":{"b":[1,2.5,"x"]},"n":null,"big":12345678901234567890}',
    "cert": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "url": "https://u:p@example.com:8443/a/b.txt?q=1&r=2#frag",
    "version": "1.2.3-rc.1+meta",
    "yes": True,
    "no": False,
    "null": None,
    "list": ["b", "a", "c", "a", ""],
    "map": {"k": "v", "nested": {"deep": "x"}},
}
NUMBERS: Final = '"port":5432,"float":1.0,"exp":1e3,"digits":12345678901234567890,"negative":-7,"zero":0'
"""Members of `.Secrets` as JSON text, since their literals matter."""
FIELDS: Final = (*SECRETS, "port", "float", "exp", "digits", "negative", "zero", "missing")

_UNARY: Final = """
trim upper lower title untitle swapcase nospace initials quote squote snakecase camelcase kebabcase toString
toStrings sortAlpha b64enc b64dec b32enc b32dec sha1sum sha256sum sha512sum adler32sum toJson toPrettyJson
toRawJson fromJson mustToJson mustToPrettyJson mustToRawJson mustFromJson int int64 float64 atoi toDecimal
add1 add1f floor ceil first last rest initial reverse uniq compact mustFirst mustLast mustRest mustInitial
mustReverse mustUniq mustCompact empty typeOf kindOf regexQuoteMeta base dir ext clean isAbs osBase osDir
osExt osClean osIsAbs urlParse semver duration durationRound keys values deepCopy mustDeepCopy ago cat list
tuple all any coalesce seq until fail len html js urlquery print printf println not biggest max min bcrypt
shuffle
"""
UNARY: Final = tuple(_UNARY.split())

SINGLE: Final = """
{{ abbrev 8 .Secrets.host }}
{{ abbrevboth 5 10 .Secrets.host }}
{{ trunc 3 .Secrets.unicode }}
{{ trunc -4 .Secrets.host }}
{{ trimAll "a" .Secrets.user }}
{{ trimall "e" .Secrets.user }}
{{ trimPrefix "al" .Secrets.user }}
{{ trimSuffix ".com" .Secrets.host }}
{{ repeat 3 .Secrets.user }}
{{ repeat -1 .Secrets.user }}
{{ substr 1 3 .Secrets.user }}
{{ substr -1 3 .Secrets.user }}
{{ substr 2 -1 .Secrets.user }}
{{ .Secrets.host | replace "." "-" }}
{{ contains "lic" .Secrets.user }}
{{ hasPrefix "al" .Secrets.user }}
{{ hasSuffix "ce" .Secrets.user }}
{{ quote .Secrets.user .Secrets.port .Secrets.null }}
{{ squote .Secrets.user .Secrets.port .Secrets.null }}
{{ cat .Secrets.user .Secrets.null .Secrets.port }}
{{ indent 4 .Secrets.lines }}
{{ nindent 2 .Secrets.lines }}
{{ wrap 5 "one two three four" }}
{{ wrapWith 5 "\\t" "HelloWorldAgain" }}
{{ plural "one" "many" 1 }}
{{ plural "one" "many" (len .Secrets.list) }}
{{ split "." .Secrets.host }}
{{ (split "." .Secrets.host)._1 }}
{{ (splitn "." 2 .Secrets.host)._1 }}
{{ splitList "." .Secrets.host | join "/" }}
{{ join "," .Secrets.list }}
{{ htpasswd .Secrets.user "x" }}
{{ htpasswd "a:b" "x" }}
{{ (buildCustomCert "bm8=" "bm8=").Cert }}
{{ add 1 2 3 }}
{{ add .Secrets.port 1 }}
{{ sub 5 .Secrets.port }}
{{ mul 2 3 4 }}
{{ div 7 2 }}
{{ div 7 0 }}
{{ mod 7 3 }}
{{ max 1 .Secrets.port 3 }}
{{ min 4 2 .Secrets.zero }}
{{ biggest 4 2 }}
{{ addf 1.5 2.25 }}
{{ subf 7.5 2 3 }}
{{ mulf 1.5 2 2 }}
{{ divf 10 4 }}
{{ maxf 1 2.5 3 }}
{{ minf 1.5 2 }}
{{ round 123.5555 3 }}
{{ round 123.5 0 .5 }}
{{ untilStep 3 10 2 }}
{{ seq 2 5 }}
{{ seq 0 2 10 }}
{{ randInt 5 6 }}
{{ randInt 0 1000000 }}
{{ randInt 6 5 }}
{{ (mustToDate "2006-01-02" "2024-02-29").Year }}
{{ mustToDate "2006-01-02" "nonsense" }}
{{ ago (mustToDate "2006-01-02" "2024-02-29") }}
{{ duration "95" }}
{{ durationRound "2h10m5s" }}
{{ dict "a" 1 "b" .Secrets.user | toJson }}
{{ dict "a" | toJson }}
{{ get .Secrets.map "k" }}{{ get .Secrets.map "none" }}
{{ set .Secrets.map "new" 1 | toJson }}
{{ unset .Secrets.map "k" | toJson }}
{{ hasKey .Secrets "user" }}{{ hasKey .Secrets "none" }}
{{ pluck "k" .Secrets.map (dict "k" "w") }}
{{ pick .Secrets "user" "port" | toJson }}
{{ omit .Secrets.map "k" | toJson }}
{{ keys .Secrets.map (dict "z" 1 "y" 2) }}
{{ values .Secrets.map }}
{{ merge (dict "k" "mine") .Secrets.map | toJson }}
{{ mergeOverwrite (dict "k" "mine") .Secrets.map | toJson }}
{{ mustMerge (dict "k" "mine") .Secrets.map | toJson }}
{{ mustMergeOverwrite (dict "k" "mine") .Secrets.map | toJson }}
{{ dig "map" "nested" "deep" "none" .Secrets }}
{{ dig "map" "absent" "none" .Secrets }}
{{ append .Secrets.list "z" }}
{{ push .Secrets.list "z" }}
{{ prepend .Secrets.list "z" }}
{{ mustAppend .Secrets.list "z" }}
{{ mustPush .Secrets.list "z" }}
{{ mustPrepend .Secrets.list "z" }}
{{ append .Secrets.user "z" }}
{{ concat .Secrets.list (list 1 2) }}
{{ without .Secrets.list "a" }}
{{ mustWithout .Secrets.list "a" "b" }}
{{ has "a" .Secrets.list }}
{{ mustHas "q" .Secrets.list }}
{{ slice .Secrets.list 1 3 }}
{{ slice .Secrets.list 2 }}
{{ mustSlice .Secrets.list 1 }}
{{ mustSlice .Secrets.list 9 12 }}
{{ chunk 2 .Secrets.list }}
{{ mustChunk 3 .Secrets.list }}
{{ .Secrets.empty | default "fallback" }}{{ .Secrets.zero | default 7 }}
{{ default "x" .Secrets.missing }}
{{ coalesce .Secrets.empty .Secrets.missing .Secrets.user }}
{{ all .Secrets.user .Secrets.empty }}{{ any .Secrets.empty .Secrets.user }}
{{ ternary "a" "b" .Secrets.yes }}{{ ternary "a" "b" .Secrets.no }}
{{ typeIs "string" .Secrets.user }}{{ typeIs "json.Number" .Secrets.port }}
{{ typeIsLike "string" .Secrets.user }}
{{ kindIs "map" .Secrets.map }}{{ kindIs "string" .Secrets.port }}
{{ deepEqual .Secrets.list (list "b" "a" "c" "a" "") }}
{{ regexMatch "^a.*e$" .Secrets.user }}{{ regexMatch "[" .Secrets.user }}
{{ regexFind "[a-z]{2}" .Secrets.host }}
{{ regexFindAll "[a-z]+" .Secrets.host -1 }}
{{ regexReplaceAll "(\\w)\\." .Secrets.host "${1}-" }}
{{ regexReplaceAllLiteral "\\." .Secrets.host "$1" }}
{{ regexSplit "\\." .Secrets.host -1 }}
{{ mustRegexMatch "^a" .Secrets.user }}
{{ mustRegexMatch "[" .Secrets.user }}
{{ mustRegexFind "[a-z]+" .Secrets.host }}
{{ mustRegexFindAll "[a-z]+" .Secrets.host 1 }}
{{ mustRegexReplaceAll "a(l)" .Secrets.user "$1" }}
{{ mustRegexReplaceAllLiteral "a" .Secrets.user "$1" }}
{{ mustRegexSplit "\\." .Secrets.host 2 }}
{{ (urlParse .Secrets.url).host }} {{ (urlParse .Secrets.url).userinfo }}
{{ urlJoin (dict "scheme" "http" "host" "h" "path" "/p" "query" "q") }}
{{ (semver .Secrets.version).Prerelease }}
{{ semverCompare "^1.2.0" "1.2.9" }}{{ semverCompare "nonsense" "1" }}
{{ .Secrets.user.deeper }}
{{ .Secrets.missing.deeper }}
{{ .Nope }}
{{ nope .Secrets.user }}
{{ index .Secrets.list 1 }}{{ index .Secrets "user" }}
{{ index .Secrets.list 99 }}
{{ index .Secrets.map "nested" "deep" }}
{{ printf "%s:%v %q %5.2s| %d" .Secrets.user .Secrets.port .Secrets.host .Secrets.unicode .Secrets.port }}
{{ eq .Secrets.user "alice" "bob" }}{{ ne .Secrets.user "bob" }}{{ lt 1 2 }}{{ ge 2 2 }}
{{ eq .Secrets.port 1 }}
{{ eq (.Secrets.port | int) 5432 }}
{{ if and .Secrets.yes (not .Secrets.no) }}both{{ else if .Secrets.user }}user{{ else }}none{{ end }}
{{ with .Secrets.map }}{{ .k }}{{ else }}none{{ end }}{{ with .Secrets.missing }}x{{ else }}none{{ end }}
{{ range $i, $x := .Secrets.list }}{{ if eq $x "c" }}{{ break }}{{ end }}{{ $i }}={{ $x }} {{ end }}
{{ range .Secrets.empty }}x{{ else }}empty{{ end }}
{{ range $k, $v := .Secrets.map }}{{ $k }}={{ $v }};{{ end }}
{{ range 3 }}{{ . }}{{ end }}
{{ define "part" }}<{{ . }}>{{ end }}{{ template "part" .Secrets.user }}{{ template "part" }}
{{ template "absent" . }}
{{ block "inner" .Secrets.user }}({{ . }}){{ end }}
{{- /* a comment */ -}}  x  {{- "y" -}}  z
{{ $x := 1 }}{{ $x = 2 }}{{ $x }}{{ $undefined }}
{{ call .Secrets.user }}
{{ if }}
{{ .Secrets.user | }}
{{ end }}
{{ "unclosed
{{ .Annotations.team }} {{ .Labels.app }} {{ .Labels.none }} {{ len .Labels }} {{ .Labels }}
{{ .Metadata }} {{ .Metadata.version }} {{ .Metadata.custom_metadata.owner }}
{{ .WrapData }} {{ len .WrapData }} {{ .WrapData.token }}
{{ if .WrapData }}yes{{ else }}no{{ end }} {{ .WrapData | toJson }}
{{ . | toJson }}
{{ fail .Secrets.password }}
{{ fail "the password is missing" }}
{{ .Secrets.json | fromJson | toJson }} {{ (fromJson .Secrets.json).big }}
""".strip("\n").split("\n")

REALISTIC: Final = {
    "docker config": """{"auths":{"{{ .Secrets.host }}":{"username":{{ .Secrets.user | toJson }},"password":"""
    """{{ .Secrets.password | toJson }},"auth":"{{ printf "%s:%s" .Secrets.user .Secrets.password | b64enc }}"}}}""",
    "npmrc": "//{{ .Secrets.host }}/:_authToken={{ .Secrets.password }}\nalways-auth=true\n",
    "pgpass": '{{ .Secrets.host }}:{{ .Secrets.port }}:*:{{ .Secrets.user }}:{{ .Secrets.password | replace "\\\\" '
    '"\\\\\\\\" | replace ":" "\\\\:" }}\n',
    "java properties": "{{ range $k, $v := .Secrets }}{{ $k }}={{ $v }}\n{{ end }}",
    "pem bundle": "{{ .Secrets.cert }}{{ range $i := until 2 }}{{ $.Secrets.cert | trim }}\n{{ end }}",
    "connection string": "postgresql://{{ .Secrets.user | urlquery }}:{{ .Secrets.password | urlquery }}@"
    "{{ .Secrets.host }}:{{ .Secrets.port }}/app?sslmode=require",
    "json document": '{{ dict "user" .Secrets.user "port" .Secrets.port "opts" .Secrets.map | toPrettyJson }}',
    "yaml document": "db:\n  host: {{ .Secrets.host | quote }}\n  port: {{ .Secrets.port }}\n  lines: |"
    "{{ .Secrets.lines | nindent 4 }}\n  list:\n{{- range .Secrets.list }}\n    - {{ . | quote }}{{ end }}\n",
    "binary": "{{ .Secrets.b64 | b64dec }}",
    "loops over all keys": "{{ range $k, $v := .Secrets }}{{ $k }}:{{ typeOf $v }} {{ end }}",
    "labels and annotations": "{{ range $k, $v := .Labels }}{{ $k }}={{ $v }},{{ end }}{{ .Annotations | toJson }}",
    "absent keys": '{{ .Secrets.none }}|{{ get .Secrets "none" }}|{{ .Secrets.none | default "d" }}',
    "numbers as they came": "{{ .Secrets.port }} {{ .Secrets.float }} {{ .Secrets.exp }} {{ .Secrets.digits }}",
    "numbers computed": "{{ .Secrets.port | int | add 1 }} {{ .Secrets.float | float64 }} {{ .Secrets.exp | float64 }}",
    "htpasswd file": '{{ htpasswd .Secrets.user "secret" }}\n{{ htpasswd "bob" "secret" }}\n',
    "shell file": "export DB_USER={{ .Secrets.user | squote }}\nexport DB_HOST={{ .Secrets.host | squote }}\n",
    "git credentials": "https://{{ .Secrets.user | urlquery }}:{{ .Secrets.password | urlquery }}@host\n",
    "my.cnf": '[client]\nuser={{ .Secrets.user }}\npassword="{{ .Secrets.password | replace "\\"" "\\\\\\"" }}"\n',
    "spring": "spring.datasource.url=jdbc:postgresql://{{ .Secrets.host }}:{{ .Secrets.port }}/x",
    "toml": "[db]\nhost = {{ .Secrets.host | toJson }}\nport = {{ .Secrets.port }}\nssl = {{ .Secrets.yes }}\n",
}

SINGLE_CASES: Final = {f"single {at:03}: {text[:60]}": text for at, text in enumerate(SINGLE)}
UNARY_CASES: Final = {f"{name} of {one}": f"{{{{ .Secrets.{one} | {name} }}}}" for name in UNARY for one in FIELDS}
CASES: Final = REALISTIC | SINGLE_CASES | UNARY_CASES
