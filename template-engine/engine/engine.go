// Package engine renders sets of Go templates with a fixed table of functions.
//
// One request in, one answer out, both JSON, so that the same code serves the WebAssembly module that the operator
// runs and the native program that tests compare it with. Equal requests give equal answers: chance comes from the
// request's seed, time from its clock. Texts of errors hold no value that a template was given.
package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"text/template"
	"time"
)

// Template is one member of a set. Without a key it is parsed for its definitions and renders nothing.
type Template struct {
	Name string `json:"name"`
	Text string `json:"text"`
	Key  string `json:"key"`
}

// Request asks to render Templates, in the order in which they are parsed; without Input they are only parsed.
type Request struct {
	Seed      []byte     `json:"seed"`
	Now       time.Time  `json:"now"`
	Templates []Template `json:"templates"`
	Input     *RawInput  `json:"input"`
	MaxOutput int        `json:"maxOutput"`
}

// RawInput is what templates see, before numbers are decoded.
type RawInput struct {
	Secrets     json.RawMessage   `json:"secrets"`
	Metadata    json.RawMessage   `json:"metadata"`
	WrapData    json.RawMessage   `json:"wrapData"`
	Annotations map[string]string `json:"annotations"`
	Labels      map[string]string `json:"labels"`
}

// Answer holds what the keyed templates made, or why they did not.
type Answer struct {
	Rendered map[string][]byte `json:"rendered,omitempty"`
	Error    *Failure          `json:"error,omitempty"`
}

// Failure tells what is wrong in words without values. Kind is request, parse, execute or output.
type Failure struct {
	Kind     string `json:"kind"`
	Message  string `json:"message"`
	Template string `json:"template,omitempty"`
}

// Input is the data of a template.
type Input struct {
	Secrets     map[string]any    `json:"secrets"`
	Metadata    map[string]any    `json:"metadata"`
	WrapData    map[string]any    `json:"wrapData,omitempty"`
	Annotations map[string]string `json:"annotations"`
	Labels      map[string]string `json:"labels"`
}

var errTooLong = errors.New("output limit")

// Run answers one request; only one at a time.
func Run(request []byte) []byte {
	answer, err := json.Marshal(answer(request))
	if err != nil {
		return []byte(`{"error":{"kind":"request","message":"the answer cannot be encoded"}}`)
	}
	return answer
}

func answer(encoded []byte) Answer {
	var request Request
	if err := json.Unmarshal(encoded, &request); err != nil {
		return failed("request", "", "the request cannot be read")
	}
	current.seed, current.now = request.Seed, request.Now
	root, err := origin.Clone()
	if err != nil {
		return failed("request", "", "the table of functions cannot be copied")
	}
	for _, one := range request.Templates {
		if _, err := root.New(one.Name).Parse(one.Text); err != nil {
			return failed("parse", one.Name, "parse error: "+err.Error())
		}
	}
	if request.Input == nil {
		return Answer{}
	}
	input, err := decode(request.Input)
	if err != nil {
		return failed("request", "", "the input cannot be read")
	}
	return render(root, request, input)
}

func render(root *template.Template, request Request, input Input) Answer {
	rendered := map[string][]byte{}
	left := request.MaxOutput
	for _, one := range request.Templates {
		if one.Key == "" {
			continue
		}
		current.begin(one.Name)
		output := &limited{left: left}
		if err := root.ExecuteTemplate(output, one.Name, input); err != nil {
			if errors.Is(err, errTooLong) {
				return failed("output", one.Name, fmt.Sprintf("template %q makes more than %d bytes", one.Name, request.MaxOutput))
			}
			return failed("execute", one.Name, redacted(err.Error(), request.Templates))
		}
		left = output.left
		rendered[one.Key] = append([]byte{}, output.buffer.Bytes()...)
	}
	return Answer{Rendered: rendered}
}

// decode keeps numbers of secrets and metadata as they were sent; those of wrap info become floats.
func decode(raw *RawInput) (Input, error) {
	input := Input{
		Secrets:     map[string]any{},
		Metadata:    map[string]any{},
		Annotations: raw.Annotations,
		Labels:      raw.Labels,
	}
	for _, one := range []struct {
		from json.RawMessage
		to   *map[string]any
	}{{raw.Secrets, &input.Secrets}, {raw.Metadata, &input.Metadata}} {
		if len(one.from) == 0 || string(one.from) == "null" {
			continue
		}
		decoder := json.NewDecoder(bytes.NewReader(one.from))
		decoder.UseNumber()
		if err := decoder.Decode(one.to); err != nil {
			return input, err
		}
	}
	if len(raw.WrapData) > 0 {
		if err := json.Unmarshal(raw.WrapData, &input.WrapData); err != nil {
			return input, err
		}
	}
	return input, nil
}

func failed(kind, name, message string) Answer {
	return Answer{Error: &Failure{Kind: kind, Message: message, Template: name}}
}

// limited is a buffer that refuses to grow beyond a size.
type limited struct {
	buffer bytes.Buffer
	left   int
}

func (l *limited) Write(content []byte) (int, error) {
	if len(content) > l.left {
		return 0, errTooLong
	}
	l.left -= len(content)
	return l.buffer.Write(content)
}
