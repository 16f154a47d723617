package engine

import (
	"regexp"
	"strings"
)

// located splits the text of a failed execution into where and why. The part in angle brackets is source text, which
// the template package cuts after twenty characters.
var located = regexp.MustCompile(`(?s)^(template: .*?: executing ".*?" at <.{0,120}?>: )(.*)$`)

// calling names the function that failed, in front of its reason.
var calling = regexp.MustCompile(`(?s)^error calling ([A-Za-z0-9_]+): (.*)$`)

const (
	word  = `[A-Za-z0-9_]+`
	kinds = `[A-Za-z0-9_.*\[\]{} ]+`
)

// harmless are the reasons that tell of names and types in the template alone.
var harmless = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`nil pointer evaluating ` + kinds,
	`can't evaluate field ` + word + ` in type ` + kinds,
	`can't give argument to non-function ` + word,
	word + ` has arguments but cannot be invoked as function`,
	`wrong number of args for ` + word + `: want (?:at least )?\d+ got \d+`,
	`wrong type for value; expected ` + kinds + `; got ` + kinds,
	`wrong type: value has type ` + kinds + `; should be ` + kinds,
	`incompatible types for comparison(?:: ` + kinds + ` and ` + kinds + `)?`,
	`invalid type for comparison`,
	`missing argument for comparison`,
	`invalid value; expected ` + kinds,
	`cannot assign nil to ` + kinds,
	word + ` is an unexported field of struct type ` + kinds,
	word + ` is not a method but has arguments`,
	`Cannot (?:find )?[a-z]+ (?:on )?type ` + word + `(?: as list)?`,
	`list should be type of slice or array but ` + word,
	`dig needs at least three arguments`,
	`unable to decode (?:base64 )?(?:certificate|private key)`,
	`strings: negative Repeat count`,
	`exceeded maximum template depth \(\d+\)`,
	`template "[^"]*" not defined`,
	`no such template "[^"]*"`,
	`undefined variable: \$` + word,
	`index of untyped nil`,
	`index of nil pointer`,
	`cannot index slice/array with type ` + kinds,
	`cannot index slice/array with nil`,
	`can't index item of type ` + kinds,
	`value is nil; should be of type ` + kinds,
	`len of nil pointer`,
	`len of type ` + kinds,
	`map has no entry for key "[^"]*"`,
	`error calling ` + word,
	`dict not provided`,
	`cannot split string by regexp`,
	`runtime error: integer divide by zero`,
	`illegal base64 data at input byte \d+`,
	`Invalid Semantic Version`,
}, `|`) + `)$`)

const hidden = "<redacted>"

// redacted is the text of a failed execution without anything that may come from the template's input.
func redacted(text string, templates []Template) string {
	parts := located.FindStringSubmatch(text)
	if parts == nil {
		return reason(text, templates)
	}
	return parts[1] + reason(parts[2], templates)
}

func reason(text string, templates []Template) string {
	if inner := located.FindStringSubmatch(text); inner != nil {
		return inner[1] + reason(inner[2], templates)
	}
	if call := calling.FindStringSubmatch(text); call != nil {
		why := call[2]
		// The text is the template's own choice: even one that looks harmless can be made of values. What somebody
		// wrote into a template literally is no secret of Vault's.
		if call[1] == "fail" {
			if written(why, templates) {
				return text
			}
			return "error calling fail: " + hidden
		}
		return "error calling " + call[1] + ": " + reason(why, templates)
	}
	if harmless.MatchString(text) {
		return text
	}
	for _, begin := range []string{"range can't iterate over", "range over send-only channel", "if/with can't use"} {
		if strings.HasPrefix(text, begin) {
			return begin + " " + hidden
		}
	}
	return hidden
}

func written(text string, templates []Template) bool {
	for _, one := range templates {
		if strings.Contains(one.Text, `"`+text+`"`) || strings.Contains(one.Text, "`"+text+"`") {
			return true
		}
	}
	return false
}
