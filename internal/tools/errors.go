package tools

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/export"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/source"
)

// madeError is why something was not made: a file, an export, figures.
type madeError struct{ err error }

func (e *madeError) Error() string { return e.err.Error() }

func (e *madeError) Unwrap() error { return e.err }

// describe tells errors of objects, and of what was not made.
func describe(err error) (engine.Failure, bool) {
	var made *madeError
	if errors.As(err, &made) {
		return describeMade(made.err), true
	}
	return describeObject(err)
}

// describeMade is of kind "build", but for options, and for what was not found or is
// in the way before anything was read.
func describeMade(err error) engine.Failure {
	f, ok := describeObject(err)
	if !ok {
		f = engine.Describe(err)
	}
	var (
		option *build.OptionError
		spec   *source.SpecError
		on     *ffcv.InterruptedError
		sample *ffcv.SampleError
	)
	var out *export.SampleError
	placed := errors.As(err, &sample) || errors.As(err, &out)
	interrupted := errors.As(err, &on)
	switch {
	case errors.As(err, &option) && !placed:
		f.Kind, f.Message = "option", strings.ReplaceAll(option.Option, "-", "_")+": "+option.Err.Error()
		return f
	case errors.As(err, &spec) && !placed:
		f.Kind = "option"
		return f
	case placed || interrupted:
	case f.Kind != "internal":
		return f
	}
	made := engine.Failure{Kind: "build", Message: err.Error(), Shard: f.Shard, Offset: f.Offset, File: f.File}
	if f.Kind != "internal" && f.Kind != "sample" {
		made.Cause = &f
	}
	said := err
	if sample != nil {
		said = sample.Err
	}
	if shard, offset, ok := placeIn(said.Error()); ok {
		made.Shard = shard
		if made.Offset == nil && offset >= 0 {
			made.Offset = &offset
		}
	}
	if out != nil {
		made.File, made.Key, made.Field, made.Sample = out.File, out.Key, out.Field, &out.Sample
	} else if placed {
		made.Key, made.Field, made.Sample = sample.Key, sample.Field, &sample.Sample
	}
	if interrupted {
		made.Next = &on.Next
	}
	return made
}

// Sources of shards begin their messages with the shard's name, behind that of the
// format, and say "at byte".
var (
	inShard = regexp.MustCompile(`^(?:webdataset: |mds: |tfrecord: |parquet: |hdf5: )?((?:[a-z0-9]+://)?[^:"\s][^:"]*\.[^:"/]+): `)
	// "open FILE: no such file" begins with what was done.
	ofSystem = regexp.MustCompile(`^(open|read|readat|write|stat|lstat|seek|mkdir|mmap|rename) `)
	atByte   = regexp.MustCompile(`\bat byte (\d+)\b`)
)

// placeIn finds the shard and the offset that a message of a source names; -1 for no
// offset.
func placeIn(message string) (shard string, offset int64, ok bool) {
	found := inShard.FindStringSubmatch(message)
	if found == nil || ofSystem.MatchString(found[1]) {
		return "", -1, false
	}
	offset = -1
	if at := atByte.FindAllStringSubmatch(message, -1); at != nil {
		if n, err := strconv.ParseInt(at[len(at)-1][1], 10, 64); err == nil { // the innermost
			offset = n
		}
	}
	return found[1], offset, true
}
