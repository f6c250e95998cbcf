package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/betongo/betongo/internal/op"
)

// request is a frame that asks for something.
type request struct {
	do      string
	object  []byte     // the JSON object
	payload []byte     // the handler's to keep
	files   []*os.File // closed after the handler; one that it keeps it sets to nil here
	run     *run       // of an epoch
}

// newRequest looks what a frame asks for.
func newRequest(f frame) (*request, error) {
	var head struct {
		Do string `json:"do"`
	}
	if err := json.Unmarshal(f.object, &head); err != nil {
		return nil, &protocolError{fmt.Sprintf("a frame that is no JSON object: %v", err)}
	}
	if head.Do == "" {
		return nil, &protocolError{`a request without "do"`}
	}
	return &request{do: head.Do, object: f.object, payload: f.payload, files: f.files}, nil
}

// decode reads the request's object into a struct with JSON tags, one of them
// "do". A key that the struct doesn't have is an error that names the nearest it has.
func (r *request) decode(into any) error { return strict(r.object, into, r.do) }

// optionError is a setting that isn't one.
type optionError struct{ what string }

func (e *optionError) Error() string { return e.what }

func optionf(format string, args ...any) error { return &optionError{fmt.Sprintf(format, args...)} }

// strict decodes a JSON object into a struct; what names it in errors.
func strict(object []byte, into any, what string) error {
	d := json.NewDecoder(bytes.NewReader(object))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
		return optionf("%s: more than one JSON value", what)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return optionf("%s: %q is a JSON %s, want %s", what, kind.Field, kind.Value, kind.Type)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return unknown(what+": setting", name, keysOf(reflect.TypeOf(into)))
	}
	return optionf("%s: %v", what, err)
}

// keysOf lists the keys of a struct and of the structs in it.
func keysOf(t reflect.Type) (keys []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			keys = append(keys, keysOf(f.Type)...)
		}
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "" && key != "-" {
			keys = append(keys, key)
			keys = append(keys, keysOf(f.Type)...)
		}
	}
	return keys
}

// unknown is the error of a name that there isn't, with the nearest there is.
func unknown(what, name string, known []string) error {
	return fromOp(op.Unknown(what, name, known))
}
