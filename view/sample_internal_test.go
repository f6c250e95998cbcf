package view

import (
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// TestChecksumsBounded: a sample's page reads a bounded number of bytes for checksums,
// however many fields there are.
func TestChecksumsBounded(t *testing.T) {
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "a", Field: fields.Bytes{}}, {Name: "b", Field: fields.Bytes{}}, {Name: "c", Field: fields.Int{}}}, 1,
		func(int) []any { return []any{make([]byte, 600), make([]byte, 600), 7} }, nil)
	s, err := New(ffcvtest.Map(t, path, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	left := int64(1000)
	for k, want := range []string{"ok", "none", "ok"} {
		if got := s.stored(0, k, &left).Checksum; got != want {
			t.Errorf("field %d: %q, want %q", k, got, want)
		}
	}
	if left != 400 {
		t.Errorf("%d bytes are left, want 400", left)
	}
}
