package splice_test

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/splice"
)

// foreignTag is that of a section which this package does not know.
const foreignTag = ffcv.Tag('a' | 'b'<<8 | 'c'<<16 | 'd'<<24)

// foreign returns the section's bytes, "" for none.
func foreign(t testing.TB, path string) string {
	t.Helper()
	f := open(t, path)
	list, err := f.Sections()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Tag == foreignTag {
			b, err := io.ReadAll(f.OpenSection(s))
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	return ""
}

// Sections of other packages come along wherever samples do; in a merger only
// those that all files have alike.
func TestForeignSections(t *testing.T) {
	ctx := context.Background()
	with := func(text string, from int) *ffcv.File {
		return everyKind{40, from}.make(t, ffcv.Options{Sections: []ffcv.NewSection{{Tag: foreignTag, Data: []byte(text)}}}, nil)
	}
	a, alike, other, none := with("kept", 0), with("kept", 40), with("else", 80), everyKind{40, 120}.make(t, ffcv.Options{}, nil)
	merge := func(files ...*ffcv.File) func(string, splice.Options) error {
		return func(to string, o splice.Options) error {
			_, err := splice.Merge(ctx, to, files, &o)
			return err
		}
	}
	for _, test := range []struct {
		name       string
		do         func(to string, o splice.Options) error
		want, said string
	}{
		{"subset", func(to string, o splice.Options) error {
			_, err := splice.Subset(ctx, to, a, splice.Selection{Range: &splice.Range{First: 3, Step: 2, Count: 9}}, &o)
			return err
		}, "kept", ""},
		{"split", func(to string, o splice.Options) error {
			_, err := splice.Split(ctx, a, []splice.Part{{Path: to + "2", Share: 1}, {Path: to, Share: 3}}, &splice.SplitOptions{Options: o})
			return err
		}, "kept", ""},
		{"add", func(to string, o splice.Options) error {
			_, err := splice.Add(ctx, to, a, []splice.Column{{Name: "x", Field: fields.Int{}, Len: a.Len(), At: func(i int) (any, error) { return i, nil }}}, &o)
			return err
		}, "kept", ""},
		{"append", func(to string, o splice.Options) error {
			_, err := splice.Append(ctx, to, a, everyKind{5, 0}, &splice.AppendOptions{Options: o, Fields: encoders})
			return err
		}, "kept", ""},
		{"merge of one", merge(a), "kept", ""},
		{"merge of equal ones", merge(a, alike), "kept", ""},
		{"merge of others", merge(a, alike, other), "", "the extension section abcd is left behind: not all files have it alike"},
		{"merge with none", merge(none, a), "", "not all files have it alike"},
		{"merge with none behind", merge(a, none), "", "not all files have it alike"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, repack := range []bool{false, true} {
				to := filepath.Join(t.TempDir(), "x.beton")
				said := ""
				if err := test.do(to, splice.Options{Repack: repack, Warn: func(msg string) { said += msg }}); err != nil {
					t.Fatal(err)
				}
				if got := foreign(t, to); got != test.want {
					t.Errorf("section %q, want %q", got, test.want)
				}
				if !strings.Contains(said, test.said) || test.said == "" && said != "" {
					t.Errorf("said %q, want %q", said, test.said)
				}
			}
		})
	}
}
