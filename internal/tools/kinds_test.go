package tools_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/betongo/betongo/build"
)

// TestKindsInPython: each kind of source has its function in Python's
// betongo.sources.
func TestKindsInPython(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "python", "src", "betongo", "sources.py"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range reflect.TypeFor[build.Recipe]().NumField() {
		f := reflect.TypeFor[build.Recipe]().Field(i)
		if f.Type.Kind() != reflect.Pointer {
			continue
		}
		n++
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !strings.Contains(string(b), "\ndef "+name+"(") {
			t.Errorf("betongo.sources has no function %s", name)
		}
	}
	if n < 3 {
		t.Errorf("%d kinds", n)
	}
}
