package view

import (
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	for _, test := range []struct {
		text string
		want []clause
	}{
		{"", nil},
		{"  \t ", nil},
		{"sunset", []clause{{1, "", "", "sunset", false}}},
		{" a  b\u00a0c", []clause{{2, "", "", "a", false}, {5, "", "", "b", false}, {7, "", "", "c", false}}},
		{`"two words"`, []clause{{1, "", "", "two words", true}}},
		{`"a \"b\" \\ \n"`, []clause{{1, "", "", `a "b" \ \n`, true}}},
		{`a"b c"d`, []clause{{1, "", "", "ab cd", true}}},
		{`""`, []clause{{1, "", "", "", true}}},
		{"label:7", []clause{{1, "label", ":", "7", false}}},
		{`class:"golden retriever"`, []clause{{1, "class", ":", "golden retriever", true}}},
		{"class:dog*", []clause{{1, "class", ":", "dog*", false}}},
		{`key:""`, []clause{{1, "key", ":", "", true}}},
		{"index:100-200 label:-1", []clause{{1, "index", ":", "100-200", false}, {15, "label", ":", "-1", false}}},
		{"score>=0.5", []clause{{1, "score", ">=", "0.5", false}}},
		{"score!=nan", []clause{{1, "score", "!=", "nan", false}}},
		{"a<b", []clause{{1, "a", "<", "b", false}}},
		{"a<=b=c:d", []clause{{1, "a", "<=", "b=c:d", false}}},
		{"meta.a.b~text", []clause{{1, "meta.a.b", "~", "text", false}}},
		{`"my field">3`, []clause{{1, "my field", ">", "3", false}}},
		{`"a=b"=c`, []clause{{1, "a=b", "=", "c", false}}},
		{`"http://x"`, []clause{{1, "", "", "http://x", true}}},
		{"ä:ö ü", []clause{{1, "ä", ":", "ö", false}, {5, "", "", "ü", false}}},
	} {
		got, err := parseQuery(test.text)
		if err != nil || len(got) != len(test.want) {
			t.Errorf("%q: %+v, %v; want %+v", test.text, got, err, test.want)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("%q, term %d: %+v, want %+v", test.text, i, got[i], test.want[i])
			}
		}
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for _, test := range []struct {
		text, want string
		at         int
	}{
		{`"open`, "without its end", 1}, {`ää key:"open`, "without its end", 8}, {"a =b", "nothing stands before", 3}, {":7", "nothing stands before", 1},
		{"label:", "nothing stands behind", 7}, {"a>= b", "nothing stands behind", 4}, {"a\xff", "UTF-8", 1}, {strings.Repeat("x", 5000), "5000 bytes", 1},
		{strings.Repeat("x ", 40), "more than 32 terms", 65},
	} {
		list, err := parseQuery(test.text)
		e, ok := err.(*statusError)
		if !ok || list != nil || e.status != 400 || !strings.Contains(e.text, test.want) || e.more["at"] != test.at {
			t.Errorf("%.20q: %v, %v at %v; want %q at %d", test.text, list, err, e, test.want, test.at)
		}
	}
}

// spell writes clauses so that they are read again as they are.
func spell(list []clause) string {
	quote := func(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }
	var terms []string
	for _, c := range list {
		value := c.Value
		if c.Quoted || c.Op == "" {
			value = quote(value)
		} else {
			value = strings.ReplaceAll(value, `"`, "") // none is in what was not quoted
		}
		if c.Op == "" {
			terms = append(terms, value)
			continue
		}
		terms = append(terms, quote(c.Name)+c.Op+value)
	}
	return strings.Join(terms, " ")
}

func FuzzQuery(f *testing.F) {
	for _, text := range []string{"", "sunset", `"two words"`, "label:7 class:dog*", `meta.a="x y"`, "width>500 bytes<=1.5MiB", `"a\"b\\"~c`, "a!=b", "index:1-", "::", `"`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseQuery(text)
		if err != nil {
			if e, ok := err.(*statusError); !ok || e.status != 400 || list != nil {
				t.Fatalf("%q: %v, %v", text, list, err)
			}
			return
		}
		again, err := parseQuery(spell(list))
		if err != nil && len(spell(list)) <= mostQuery || err == nil && len(again) != len(list) {
			t.Fatalf("%q, spelled %q: %v, %v", text, spell(list), again, err)
		}
		for i := range again {
			a, b := list[i], again[i]
			if a.Name != b.Name || a.Op != b.Op || a.Value != b.Value {
				t.Fatalf("%q: %+v, spelled and read again %+v", text, a, b)
			}
		}
	})
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "1000": 1000, "7b": 7, "64k": 64000, "64KB": 64000, "64KiB": 65536, "1.5MB": 1.5e6, "2Mi": 2 << 20, "1e3": 1000, "3GiB": 3 << 30, "1TB": 1e12} {
		if got, ok := parseSize(text); !ok || got != want {
			t.Errorf("%s: %v %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "MB", "1XB", "-1", "nan", "inf", "1KBB", "1 MB", "0x10", "1e", "bytes"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestNeedle(t *testing.T) {
	for _, test := range []struct {
		needle, text string
		want         bool
	}{
		{"dog", "a DOG", true}, {"DOG", "hotdog!", true}, {"dog", "dodg", false}, {"dog", "", false}, {"", "x", true}, {"dog", "DoDoG", true},
		{"ä", "ÄPFEL", true}, {"a b", "xA Bx", true}, {"7", "17", true}, {"<script>", "<SCRIPT>", true}, {"zz", "z", false}, {"aab", "aaab", true}, {"aAb", "AaAaB", true},
	} {
		if got := newNeedle(test.needle).in([]byte(test.text)); got != test.want {
			t.Errorf("%q in %q: %v", test.needle, test.text, got)
		}
	}
	n := newNeedle("Möller")
	if n.escaped == nil || !n.escaped.in([]byte(`{"a": "M\u00f6ller"}`)) {
		t.Errorf("%+v", n)
	}
}

func TestLRU(t *testing.T) {
	l := newLRU(4 * (1000 + lruCost + 1))
	one := picture{"image/png", make([]byte, 1000)}
	for _, key := range []string{"a", "b", "c", "d"} {
		l.put(key, one)
	}
	l.get("a")
	l.put("e", one)
	l.put("large", picture{"image/png", make([]byte, 2000)})
	for key, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true, "e": true, "large": false} {
		if _, ok := l.get(key); ok != want {
			t.Errorf("%s: %v, want %v", key, ok, want)
		}
	}
	if l.bytes > l.most || l.order.Len() != len(l.byKey) || l.order.Len() != 4 {
		t.Errorf("%d bytes of %d in %d and %d", l.bytes, l.most, l.order.Len(), len(l.byKey))
	}
}

func TestUnescaped(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", `\u00e4`: "ä", `a\u00e4b\u20ac`: "aäb€", `\ud83d\ude42!`: "🙂!", `\ud83d`: `\ud83d`, `\ud83dx`: `\ud83dx`, `\ud83d\u0041`: `\ud83d\u0041`, `\u0000\u001b[2J`: `\u0000\u001b[2J`,
		`\\u00e4`: `\\u00e4`, `\n\u00e4`: `\nä`, `\u12`: `\u12`, `\uzzzz`: `\uzzzz`, `\u00e4\`: `ä\`, `\u202e`: `\u202e`, `\u00E4"\u0022`: `ä""`,
	} {
		if got := unescaped(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
