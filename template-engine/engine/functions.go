package engine

import (
	"crypto/hmac"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"golang.org/x/crypto/bcrypt"
)

// Allowed are the functions that templates may use, beside those of text/template itself.
var Allowed = strings.Fields(`
	abbrev abbrevboth trunc trim trimAll trimall trimPrefix trimSuffix upper lower title untitle swapcase nospace
	initials repeat substr replace contains hasPrefix hasSuffix quote squote cat indent nindent wrap wrapWith plural
	snakecase camelcase kebabcase shuffle toString toStrings split splitn splitList join sortAlpha
	b64enc b64dec b32enc b32dec sha1sum sha256sum sha512sum adler32sum bcrypt htpasswd buildCustomCert
	toJson toPrettyJson toRawJson fromJson mustToJson mustToPrettyJson mustToRawJson mustFromJson
	int int64 float64 atoi toDecimal add add1 sub mul div mod max min biggest
	addf add1f subf mulf divf maxf minf floor ceil round until untilStep seq randInt
	ago duration durationRound mustToDate
	dict get set unset hasKey pluck pick omit keys values merge mergeOverwrite mustMerge mustMergeOverwrite dig
	deepCopy mustDeepCopy
	list tuple first last rest initial append push prepend concat reverse uniq without has compact slice chunk
	mustAppend mustPush mustPrepend mustFirst mustLast mustRest mustInitial mustReverse mustUniq mustWithout mustHas
	mustCompact mustSlice mustChunk
	default empty coalesce all any ternary fail typeOf typeIs typeIsLike kindOf kindIs deepEqual
	regexMatch regexFind regexFindAll regexReplaceAll regexReplaceAllLiteral regexSplit regexQuoteMeta
	mustRegexMatch mustRegexFind mustRegexFindAll mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit
	base dir ext clean isAbs osBase osDir osExt osClean osIsAbs urlParse urlJoin semver semverCompare
`)

// origin has the table of functions and no template: each request has a copy, since to make the table takes longer than
// to render most templates.
var (
	current = &surroundings{}
	origin  = template.New("").Funcs(functions(current))
)

// surroundings is what functions depend on beside their arguments: the request's clock, and a stream of numbers that
// its seed and the name of a template decide.
type surroundings struct {
	now    time.Time
	seed   []byte
	stream *rand.ChaCha8
}

// functions is the table of functions: sprig's, but for those whose results would differ from call to call.
func functions(around *surroundings) template.FuncMap {
	all := sprig.TxtFuncMap()
	rounded := all["durationRound"].(func(any) string)
	for name, function := range map[string]any{
		"randInt":  around.between,
		"shuffle":  around.shuffle,
		"bcrypt":   around.bcrypt,
		"htpasswd": around.htpasswd,
		"keys":     keys,
		"values":   values,
		"ago":      func(date any) string { return ago(date, around.now) },
		"durationRound": func(duration any) string {
			if since, ok := duration.(time.Time); ok {
				duration = int64(around.now.Sub(since))
			}
			return rounded(duration)
		},
	} {
		all[name] = function
	}
	table := template.FuncMap{}
	for _, name := range Allowed {
		table[name] = all[name]
	}
	return table
}

func (s *surroundings) begin(name string) {
	// Keyed, so that a longer seed with a shorter name is another stream.
	stream := hmac.New(sha256.New, s.seed)
	stream.Write([]byte(name))
	s.stream = rand.NewChaCha8([32]byte(stream.Sum(nil)))
}

func (s *surroundings) between(low, high int) int {
	return low + rand.New(s.stream).IntN(high-low)
}

func (s *surroundings) shuffle(text string) string {
	runes := []rune(text)
	rand.New(s.stream).Shuffle(len(runes), func(i, j int) { runes[i], runes[j] = runes[j], runes[i] })
	return string(runes)
}

func (s *surroundings) bcrypt(text string) string {
	// The salt is read from the package's variable; nothing else runs meanwhile.
	before := cryptorand.Reader
	defer func() { cryptorand.Reader = before }()
	cryptorand.Reader = io.Reader(s.stream)
	hash, err := bcrypt.GenerateFromPassword([]byte(text), bcrypt.DefaultCost)
	if err != nil {
		return fmt.Sprintf("failed to encrypt string with bcrypt: %s", err)
	}
	return string(hash)
}

func (s *surroundings) htpasswd(user, password string) string {
	if strings.Contains(user, ":") {
		return fmt.Sprintf("invalid username: %s", user)
	}
	return fmt.Sprintf("%s:%s", user, s.bcrypt(password))
}

func keys(dicts ...map[string]any) []string {
	found := []string{}
	for _, one := range dicts {
		names := make([]string, 0, len(one))
		for name := range one {
			names = append(names, name)
		}
		slices.Sort(names)
		found = append(found, names...)
	}
	return found
}

func values(dict map[string]any) []any {
	found := []any{}
	for _, name := range keys(dict) {
		found = append(found, dict[name])
	}
	return found
}

func ago(date any, now time.Time) string {
	then := now
	switch date := date.(type) {
	case time.Time:
		then = date
	case int64:
		then = time.Unix(date, 0)
	case int:
		then = time.Unix(int64(date), 0)
	}
	return now.Sub(then).Round(time.Second).String()
}
