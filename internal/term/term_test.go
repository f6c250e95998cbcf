package term_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/internal/term"
)

func TestFail(t *testing.T) {
	base := errors.New("read x: no such file")
	hinted := fmt.Errorf("pack: %w", term.WithHint(base, "try y"))
	tests := []struct {
		name string
		err  error
		want string
		code int
	}{
		{"nil", nil, "", 0},
		{"plain", base, "p: error: read x: no such file\n", 1},
		{"hint", hinted, "p: error: pack: read x: no such file\np: hint: try y\n", 1},
		{"usage", term.Usage(hinted), "p: error: pack: read x: no such file\np: hint: try y\n", 2},
		{"lines", errors.New("a\nb\n"), "p: error: a\n    b\n", 1},
	}
	for _, tt := range tests {
		var b bytes.Buffer
		if code := term.Fail(&b, "p", tt.err); code != tt.code || b.String() != tt.want {
			t.Errorf("%s: got code %d %q, want %d %q", tt.name, code, b.String(), tt.code, tt.want)
		}
	}
	if !errors.Is(hinted, base) || term.WithHint(nil, "x") != nil || term.Usage(nil) != nil {
		t.Error("wrappers must unwrap, and keep nil")
	}
}

func TestParseSize(t *testing.T) {
	tests := []struct {
		in   string
		want int64 // -1: error
	}{
		{"0", 0}, {"1", 1}, {"8388608", 8 << 20}, {"8MiB", 8 << 20}, {"8 mib", 8 << 20}, {"8M", 8 << 20}, {"8MB", 8e6},
		{"1.5GiB", 3 << 29}, {"2GiB", 2 << 30}, {"1KiB", 1024}, {"7B", 7}, {"3e3", 3000},
		{"9223372036854775807", math.MaxInt64}, {"8388607TiB", 8388607 << 40},
		{"", -1}, {"MiB", -1}, {"-1", -1}, {"-1MiB", -1}, {"1.5", -1}, {"9223372036854775808", -1}, {"8388608TiB", -1},
		{"8 MiB x", -1}, {"0x10", -1}, {"inf", -1}, {"nan", -1}, {"1_000", -1}, {"1e300", -1},
	}
	for _, tt := range tests {
		got, err := term.ParseSize(tt.in)
		if tt.want < 0 {
			if err == nil {
				t.Errorf("ParseSize(%q) = %d, want an error", tt.in, got)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 8 << 20: "8 MiB", 1<<20 - 1: "1 MiB", math.MaxInt64: "8 EiB",
	} {
		if got := term.FormatSize(n); got != want {
			t.Errorf("FormatSize(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		if got := term.FormatCount(n); got != want {
			t.Errorf("FormatCount(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	type grammar struct {
		Version kong.VersionFlag
		Pack    struct {
			Dir  string `arg:""`
			Page term.Size
		} `cmd:""`
	}
	tests := []struct {
		args     string
		over     bool
		code     int
		out, err string
	}{
		{"pack --page 2MiB d", false, 0, "", ""},
		{"pack d --page 2MiB", false, 0, "", ""},
		{"--version", true, 0, "prog ", ""},
		{"pack --help", true, 0, "Usage: prog pack", ""},
		{"pack d --page two", true, 2, "", "prog: error: --page: size \"two\""},
		{"pack", true, 2, "", "prog: hint: run 'prog pack --help'"},
		{"", true, 2, "", "prog: hint: run 'prog --help'"},
		{"pack d --nope", true, 2, "", "--nope"},
	}
	for _, tt := range tests {
		var cli grammar
		var out, errs bytes.Buffer
		ctx, code := term.Parse("prog", "does things", &cli, strings.Fields(tt.args), &out, &errs)
		if (ctx == nil) != tt.over || code != tt.code {
			t.Errorf("%q: got over %v code %d, want %v %d (%s)", tt.args, ctx == nil, code, tt.over, tt.code, errs.String())
		}
		if !strings.Contains(out.String(), tt.out) || !strings.Contains(errs.String(), tt.err) {
			t.Errorf("%q: got stdout %q stderr %q, want %q and %q in them", tt.args, out.String(), errs.String(), tt.out, tt.err)
		}
		if !tt.over && (cli.Pack.Page != 2<<20 || cli.Pack.Dir != "d") {
			t.Errorf("%q: got %+v", tt.args, cli.Pack)
		}
	}
}
