package regress

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCachegrind(t *testing.T) {
	const file = `desc: I1 cache:         32768 B, 64 B, 8-way associative
cmd: ./x -work 7
events: Ir
fl=rgb/resize.go
fn=rgb.f
10 100
11 20
fn=runtime.memmove
0 7
fn=runtime.findRunnable
1 1000000
fl=rgb/other.go
fn=rgb.f
3 1
summary: 1000128
`
	p, err := cachegrind([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if p.total != 128 || p.functions["rgb.f"] != 121 || p.functions["runtime.memmove"] != 7 || len(p.functions) != 2 {
		t.Errorf("got %+v", p)
	}
	d := p.less(profile{total: 7, functions: map[string]int64{"runtime.memmove": 7}})
	if d.total != 121 || len(d.functions) != 1 {
		t.Errorf("less the start: %+v", d)
	}
	for name, bad := range map[string]string{"empty": "", "no events": "fn=a\n1 2\n", "other events": "events: Dr\nfn=a\n1 2\n",
		"no number": "events: Ir\nfn=a\n1 x\n", "nothing counted": "events: Ir\nfn=runtime.sysmon\n1 2\n"} {
		if p, err := cachegrind([]byte(bad)); err == nil || p.total != 0 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestPerfCount(t *testing.T) {
	for text, want := range map[string]int64{
		"some words\n13520851;;instructions:u;9000;100.00;;\n": 13520851,
		"<not supported>;;instructions:u;0;100.00;;\n":         0,
		"<not counted>;;instructions:u;0;0.00;;\n":             0,
		"0;;instructions:u;0;0.00;;\n":                         0,
		"5;;cpu_core/instructions/u;1;50.00;;\n":               0,
		"":                                                     0,
	} {
		got, err := perfCount(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestFlawed(t *testing.T) {
	const text = `go: exit status 1
# github.com/betongo/betongo/benchmarks/regress/works
benchmarks/regress/works/lz4.go:9:2: no required module provides package x
./benchmarks/regress/works/epoch.go:12:30: undefined: loader.X
rgb/rgb.go:1:1: syntax error
`
	var got []string
	for _, m := range flawed.FindAllStringSubmatch(text, -1) {
		got = append(got, m[1])
	}
	if strings.Join(got, " ") != "lz4.go epoch.go" {
		t.Errorf("got %q", got)
	}
}

// TestUnpack: an archive writes nothing beside its folder.
func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	if err := unpack(strings.NewReader("no archive, but long enough to be taken for the head of one"+strings.Repeat("x", 600)), dir); err == nil {
		t.Error("no archive, and no error")
	}
	if err := unpackFile(filepath.Join(dir, "a", "b"), strings.NewReader("b")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a", "b")); err != nil || string(b) != "b" {
		t.Errorf("got %q, %v", b, err)
	}
}
