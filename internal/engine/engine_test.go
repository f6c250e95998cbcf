//go:build linux || darwin

package engine_test

import (
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/engine"
)

func TestHello(t *testing.T) {
	s := serve(t)
	c := s.dial()
	ok, _ := c.ask(object{"do": "hello", "protocol": 1, "version": "0.1.0", "pid": 1}, nil)
	for key, want := range map[string]any{"protocol": 1., "version": engine.Version, "stream_version": 1., "order_version": 1., "pid": float64(os.Getpid())} {
		if ok[key] != want {
			t.Errorf("%s: got %v, want %v", key, ok[key], want)
		}
	}
	f := s.dial().fails("protocol", object{"do": "hello", "protocol": 99, "version": "9.9"}, nil)
	for _, want := range []string{"99", "9.9", "protocol 1", engine.Version} {
		if !strings.Contains(f.Error(), want) {
			t.Errorf("%v does not tell %q", f, want)
		}
	}
	c.fails("option", object{"do": "helo"}, nil)
	c.fails("option", object{"do": "hello", "protokoll": 1}, nil)
	c.ask(object{"do": "hello", "protocol": 1}, nil) // the connection goes on
}
