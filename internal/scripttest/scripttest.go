// Package scripttest has the commands that the scripts testing our programs
// share.
package scripttest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/internal/race"
)

// Command is what a word of a script does; neg is that a "!" stands before it.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Commands returns the commands that are shared (code, array, rows, await) and a
// program's own, which come first where a name is in both.
func Commands(own map[string]Command) map[string]Command {
	all := map[string]Command{"code": Code, "array": saveArray, "rows": rows, "await": await}
	maps.Copy(all, own)
	return all
}

// Inherited are the variables that the programs which a script runs have from the
// test: how the race detector works, whose default is to wait for a second at the
// end of each.
func Inherited() []string { return []string{"GORACE=" + os.Getenv("GORACE")} }

// Condition answers [root], that the test runs as the system's administrator, who
// may write anywhere, and [race], that it runs under the race detector.
func Condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Getuid() == 0, nil
	case "race":
		return race.Enabled, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// Code is the command code N PROGRAM ARG…, which runs the program; it must end
// with that exit code.
func Code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N PROGRAM ARG…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("got exit code %d, want %s", got, args[0])
	}
}

// array DTYPE SHAPE FILE writes a .npy whose bytes count from 0; the shape is
// like 3x4, or 0d.
func saveArray(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: array DTYPE SHAPE FILE")
	}
	d, err := array.ParseDType(args[0])
	ts.Check(err)
	spec := array.Spec{DType: d}
	if args[1] != "0d" {
		for _, s := range strings.Split(args[1], "x") {
			n, err := strconv.Atoi(s)
			ts.Check(err)
			spec.Shape = append(spec.Shape, n)
		}
	}
	size, err := spec.Bytes()
	ts.Check(err)
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i)
	}
	a, err := array.New(spec, data)
	ts.Check(err)
	ts.Check(npy.Save(ts.MkAbs(args[2]), a.Strided(), nil))
}

// rows N FILE writes a csv of one column i.
func rows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rows N FILE")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	b := []byte("i\n")
	for i := range n {
		b = append(strconv.AppendInt(b, int64(i), 10), '\n')
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o666))
}

// await PATTERN waits until a file matches; ! await checks that none does.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: await PATTERN")
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		names, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		switch {
		case neg && len(names) > 0:
			ts.Fatalf("found %v", names)
		case neg || len(names) > 0:
			return
		case time.Now().After(end):
			ts.Fatalf("no file matches %s", args[0])
		}
	}
}
