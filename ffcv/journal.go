package ffcv

import (
	"fmt"
	"strings"
	"time"
)

// Journal lets a build that was interrupted go on: by a signal, a full disk, a
// source that failed, a panic, or a machine that stopped. Such a writer
// collects the file in NAME.partial, always under that name, and notes beside
// it in NAME.partial.journal how far the file is safe on the disk: for the
// first time when a page is full, then about each page or each second, whichever
// comes first, but not more than four times a second. What a crash costs is what came after the last note. The finished
// file is the same, byte for byte, as that of a build that nothing interrupted.
//
// After an error the partial file stays where such a note was made, and the
// error is an *InterruptedError; of a build that ends before its first one
// nothing is left. A journal is for datasets and streams that give the same
// samples again, and not for Options.Base.
type Journal struct {
	// Resume goes on from what an earlier build left, which must have been one
	// of the same file: the error is a *ChangedError otherwise. Where there is
	// nothing to go on from, the build begins anew. Without it, and without
	// Restart, an earlier build's partial file is a *PartialError.
	Resume bool

	// Restart deletes what an earlier build left, and begins anew.
	Restart bool

	// Identity tells what the file is made from and how, as far as the writer
	// can't see it: pairs that must be the same for an earlier build's
	// beginning to fit, names no two alike. The writer adds its own: the fields
	// with their settings, page size, seed, order, number of samples.
	Identity []Setting

	// Interval is how much time a crash may cost; 0 is two seconds. The default
	// is wrong when a disk takes long to make data safe.
	Interval time.Duration

	// Resumed is told how far an earlier build had come, before the first
	// sample is asked for; not when the build begins anew.
	Resumed func(Resumed)
}

// Setting is a named thing that a file depends on.
type Setting struct{ Name, Value string }

// Resumed tells what an interrupted build had done.
type Resumed struct {
	Samples  int            // rows that are in the file
	Next     int            // samples of the order or the sequence that are done with, those let go too
	Skipped  []*SampleError // those that OnError let go, in order; each Err is the text of the error
	Finished bool           // the file was complete, in its place already
}

// PartialError says that an earlier build left a partial file that the writer
// may not use or delete.
type PartialError struct {
	Path    string // of the file to be written
	Partial string // what was found beside it
	Samples int    // that are safe in it, 0 when none are or that can't be known
	Err     error  // why it can't be gone on from, nil when it can
}

func (e *PartialError) Error() string {
	s := e.Partial + ": left by an earlier build of this file"
	if e.Samples > 0 {
		s += fmt.Sprintf(", with %d samples", e.Samples)
	}
	if e.Err != nil {
		return s + ", and can't be gone on from: " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *PartialError) Unwrap() error { return e.Err }

// ChangedError says that an interrupted build was of another file than this
// one: going on would make a file of both.
type ChangedError struct {
	Partial string // what the earlier build left
	Changes []Change
}

// Change is a setting that differs; "" where there is none of that name.
type Change struct{ Name, Old, New string }

func (e *ChangedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: begun otherwise:", e.Partial)
	for i, c := range e.Changes {
		if i > 0 {
			b.WriteByte(';')
		}
		fmt.Fprintf(&b, " %s was %s, is %s", c.Name, orNone(c.Old), orNone(c.New))
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "not given"
	}
	return s
}

// InterruptedError says that a build ended early and can go on.
type InterruptedError struct {
	Partial string // what is left
	Samples int    // rows that are safe in it
	Next    int    // the sample of the order or the sequence that comes next
	Err     error  // what ended the build
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("%v; %s keeps what comes before sample %d", e.Err, e.Partial, e.Next)
}

// Unwrap returns what ended the build.
func (e *InterruptedError) Unwrap() error { return e.Err }
