package view_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// verifyTold is the result of a verification.
type verifyTold struct {
	Flaws []struct {
		File, Text string
		Sample     *int
		Field      *string
		Offset     *int64
	}
	Count                   int
	Cut, Checksums, Decoded bool
}

func (a *asker) verified(kind string) (got verifyTold) {
	a.t.Helper()
	j := a.run(kind)
	if err := json.Unmarshal(j.Result, &got); err != nil || j.State != "done" {
		a.t.Fatalf("%+v: %v", j, err)
	}
	if j.Done != j.All || got.Flaws == nil {
		a.t.Errorf("%+v", j)
	}
	return got
}

func TestVerify(t *testing.T) {
	sound := ffcvtest.Map(t, photoFile(t), nil)
	if got := ask(t, sound).verified("verify"); got.Count != 0 || got.Cut || len(got.Flaws) != 0 {
		t.Errorf("a sound file: %+v", got)
	}
	for kind, f := range ffcvtest.Golden(t, "mixed") {
		if got := ask(t, f).verified("decode"); got.Count != 0 || got.Checksums || !got.Decoded {
			t.Errorf("FFCV's, %s: %+v", kind, got)
		}
	}
	damaged := ffcvtest.Map(t, broken(t, photoFile(t), 5), nil)
	both, err := dataset.NewConcat(sound, damaged)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"verify", "decode"} {
		want := flaws(t, damaged, kind == "decode")
		got := ask(t, damaged).verified(kind)
		if got.Count != len(want) || len(got.Flaws) != len(want) || *got.Flaws[0].Sample != 5 || *got.Flaws[0].Field != "image" || got.Flaws[0].Offset == nil || got.Flaws[0].File != "" || got.Flaws[0].Text == "" || strings.Contains(got.Flaws[0].Text, damaged.Name()) {
			t.Errorf("%s of a damaged file: %+v, want %v", kind, got, want)
		}
		got = ask(t, both).verified(kind)
		if got.Count != len(want) || *got.Flaws[0].Sample != 69 || got.Flaws[0].File != damaged.Name() {
			t.Errorf("%s of two files: %+v", kind, got)
		}
	}
}

// flaws are those that the file itself tells.
func flaws(t *testing.T, f *ffcv.File, decode bool) (list []string) {
	t.Helper()
	verify := f.VerifySums
	if decode {
		verify = f.Verify
	}
	if err := verify(t.Context(), func(e *ffcv.FormatError) { list = append(list, e.Error()) }); err == nil || len(list) == 0 {
		t.Fatal("nothing is wrong with the file")
	}
	return list
}

// TestVerifyMany: of more flaws than are listed all are counted.
func TestVerifyMany(t *testing.T) {
	f, err := ffcv.New(newHuge(t, 12_000, 0), nil) // whose pictures are zeros
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(t, f).verified("verify"); got.Count != 12_000 || len(got.Flaws) != 10_000 || !got.Cut {
		t.Errorf("%d flaws, %d listed, cut %v", got.Count, len(got.Flaws), got.Cut)
	}
}
