package engine

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// More is what a program's engine does beyond files of the local disk. The
// libraries that it takes are that program's alone.
type More struct {
	// Stores reaches objects. Without it a URL, or an index that may name some, is
	// refused.
	Stores Stores
	// Operations are further requests, by name.
	Operations map[string]Operation
	// Describe tells errors that are of none of the engine's own kinds; false for
	// one that it doesn't know.
	Describe func(err error) (Failure, bool)
}

// Stores makes ways to reach objects. Safe for concurrent use.
type Stores interface {
	// Reach reads what a request says under "storage", nil where it says nothing.
	Reach(storage json.RawMessage) (Reach, error)
}

// Reach is a way to reach objects: settings, and whose credentials are used.
// Safe for concurrent use.
type Reach interface {
	// Key tells it from others with which something else may be read. It has no
	// secrets.
	Key() string
	// Hold makes the process's environment the client's until release is called.
	Hold() (release func(), err error)
	// Version tells what a URL names from what has taken its place. several: it may
	// stand for more than one object.
	Version(url string, several bool) (string, error)
	// Open opens files, some of which are objects or named by an index. several:
	// they are one dataset, else one file. release is called when it is closed.
	Open(paths []string, several bool, file *ffcv.OpenOptions) (ds Dataset, release func() error, err error)
	// Memory is how large Open's cache is where the options don't say.
	Memory() int64
}

// Dataset is what can be loaded and is to be closed.
type Dataset interface {
	loader.Dataset
	Close() error
}

// Operation does what a request asks for and answers it (Call.Answer or
// Call.Tell), or returns why it can't be done, which is answered then. ctx ends
// with the connection, on which nothing else is done meanwhile.
type Operation func(ctx context.Context, c *Call) error

// Call is a request for an Operation.
type Call struct {
	conn    *conn
	request *request
}

// Do is the request's name.
func (c *Call) Do() string { return c.request.do }

// Decode reads the request's object into a struct with JSON tags, one of them
// "do". A key that the struct doesn't have is an error that names the nearest it has.
func (c *Call) Decode(into any) error { return c.request.decode(into) }

// Payload is the request's payload, the operation's to keep.
func (c *Call) Payload() []byte { return c.request.payload }

// Answer sends {"ok": v} with a payload.
func (c *Call) Answer(v any, payload []byte) error { return c.conn.answer(v, payload) }

// Tell sends {name: v}: how it goes on, before the answer. Safe for concurrent
// use.
func (c *Call) Tell(name string, v any) error { return c.conn.tell(name, v) }

// Optionf is an error of what was asked for.
func Optionf(format string, args ...any) error { return optionf(format, args...) }

// Strict decodes a JSON object as Call.Decode does; what names it in errors.
func Strict(object []byte, into any, what string) error { return strict(object, into, what) }

// far says whether objects may be among the files: an index on the local disk
// may name some.
func far(paths []string) bool {
	for _, p := range paths {
		if isURL(p) || isIndex(p) {
			return true
		}
	}
	return false
}

// isURL says whether a path is a URL of something that isn't on the local disk.
func isURL(path string) bool {
	scheme, _, ok := strings.Cut(path, "://")
	return ok && len(scheme) > 1 && scheme != "file" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+") == ""
}

func isIndex(path string) bool { return strings.HasSuffix(path, ".json") }

// onDisk returns paths with those that file:// URLs mean.
func onDisk(paths []string) []string {
	list := make([]string, len(paths))
	for i, p := range paths {
		list[i] = p
		if rest, ok := strings.CutPrefix(p, "file://"); ok {
			list[i] = strings.TrimPrefix(rest, "localhost")
			if plain, err := url.PathUnescape(list[i]); err == nil {
				list[i] = plain
			}
		}
	}
	return list
}

// Several says whether a path stands for a dataset of several files: an index, or a
// pattern.
func Several(path string) bool { return several([]string{path}) }

// several says whether paths may stand for more than one file.
func several(paths []string) bool {
	if len(paths) != 1 || isIndex(paths[0]) {
		return true
	}
	web := strings.HasPrefix(paths[0], "http://") || strings.HasPrefix(paths[0], "https://")
	return !web && strings.ContainsAny(paths[0], "*?[")
}
