package literal_test

import (
	"reflect"
	"testing"

	"github.com/betongo/betongo/internal/literal"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want any
		text string // as Python's repr writes it
	}{
		{"None", nil, "None"}, {"True ", true, "True"}, {" -5", -5, "-5"}, {"5L", 5, "5"}, {"()", literal.Tuple(nil), "()"},
		{"(1)", 1, "1"}, {"(1,)", literal.Tuple{1}, "(1,)"}, {"[1, (2, 'x'),]", literal.List{1, literal.Tuple{2, "x"}}, "[1, (2, 'x')]"},
		{`'it\'s'`, "it's", `"it's"`}, {`"a\"b'"`, `a"b'`, `'a"b\''`}, {`'\n\t\r\\'`, "\n\t\r\\", `'\n\t\r\\'`},
		{`'\xe9\u0444\U0001f600'`, "éф😀", "'éф😀'"}, {`'\x01\x7f'`, "\x01\x7f", `'\x01\x7f'`},
		{"{'b': 1, 'a': [2]}", map[string]any{"b": 1, "a": literal.List{2}}, "{'a': [2], 'b': 1}"},
	} {
		got, err := literal.Parse([]byte(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %#v, %v; want %#v", tt.in, got, err, tt.want)
		}
		if text := literal.Text(got); text != tt.text {
			t.Errorf("%s is written %s, want %s", tt.in, text, tt.text)
		}
	}
	for _, in := range []string{"", "x", "1.5", "'a", "'a\nb'", `'\q'`, `'\x1'`, `'\ud800'`, `'\Uffffffff'`, "[1", "(1 2)", "{1: 2}", "{'a' 1}", "{'a': 1, 'a': 2}",
		"1 1", "9223372036854775808", "os.system('x')", "b'x'", "-", "'\xa5'", "{'a\x92': 1}"} {
		if got, err := literal.Parse([]byte(in)); err == nil {
			t.Errorf("%s: %#v", in, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"{'descr': [('a', '<f4', (2,))], 'fortran_order': False, 'shape': (3,), }", `["it's", '\xe9', None, -1]`, "((),)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := literal.Parse([]byte(s))
		if err != nil {
			return
		}
		text := literal.Text(v)
		again, err := literal.Parse([]byte(text))
		if err != nil || literal.Text(again) != text {
			t.Fatalf("%q is written %q, which reads as %#v, %v", s, text, again, err)
		}
	})
}
