package term_test

import (
	"testing"

	"github.com/betongo/betongo/internal/term"
)

func TestNear(t *testing.T) {
	for _, tt := range []struct {
		word  string
		names string
		want  string
	}{
		{"trian.beton", "train.beton val.beton", "train.beton"}, // swapped
		{"TRAIN.beton", "val.beton train.beton", "train.beton"}, // capitals
		{"train", "val.beton train.beton", "train.beton"},       // without its extension
		{"rrc", "raw cc224 rrc224 rrc224f32", "rrc224"},         // its beginning
		{"anmal", "animal object", "animal"},
		{"shuffle", "sequential random", ""},
		{"photos.npy", "a.npy b.npy", ""}, // a third of the letters at most
		{"ab", "ba", ""},                  // two letters are any
		{"", "a b", ""},
		{"a", "", ""},
		{"Größe", "große größe", "größe"},
	} {
		if got := term.Near(tt.word, splitWords(tt.names)); got != tt.want {
			t.Errorf("Near(%q, %q) = %q, want %q", tt.word, tt.names, got, tt.want)
		}
	}
}
