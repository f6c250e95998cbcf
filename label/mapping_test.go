package label_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/label"
)

func TestParseMapping(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"cat=animal,dog=animal", "[{cat animal} {dog animal}]"},
		{"# pets\n cat = animal \n\n*=other\r\n", "[{cat animal} {* other}]"},
		{`"a,b"="c=d", x = "\u00e4" `, "[{a,b c=d} {x ä}]"},
		{"a=b=c", "[{a b=c}]"},
		{`{"cat": "animal", "dog": "animal"}`, "[{cat animal} {dog animal}]"},
		{"0=1,-1=2", "[{0 1} {-1 2}]"},
	} {
		rules, err := label.ParseMapping(test.text)
		if got := fmt.Sprint(rules); err != nil || got != test.want {
			t.Errorf("%q: got %s, %v; want %s", test.text, got, err, test.want)
		}
	}
	for _, test := range []struct{ text, want string }{
		{"", "no rule"},
		{"# a=b", "no rule"},
		{"a", "line 1"},
		{"a=b\nc", "line 2"},
		{"=b", "empty name"},
		{"a=", "empty name"},
		{"a=b,", "comma at the end"},
		{"a=b,,c=d", "want OLD=NEW"},
		{`"a=b`, "JSON string"},
		{`a="b"c`, "comma between"},
		{`ca"t=x`, "want OLD=NEW"},
		{"{", "want a JSON object"},
		{`{"a": 1}`, "want a JSON object of strings"},
		{`{"a": "b"} x`, "behind the object"},
		{"{}", "no rule"},
	} {
		if rules, err := label.ParseMapping(test.text); err == nil || rules != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, %v; want %q", test.text, rules, err, test.want)
		}
	}
}

func TestMapping(t *testing.T) {
	pets := []string{"bird", "cat", "dog", "fish"}
	for _, test := range []struct {
		rules   string
		classes []string
		labels  []int64
		want    []int64
		names   []string
		bad     string
	}{
		{"cat=animal,dog=animal", pets, []int64{0, 1, 2, 3, 1}, []int64{0, 1, 1, 2, 1}, []string{"bird", "animal", "fish"}, ""},
		{"dog=cat", pets, []int64{0, 1, 2, 3}, []int64{0, 1, 1, 2}, []string{"bird", "cat", "fish"}, ""},
		{"cat=pet,*=wild", pets, []int64{3, 1, 0, 17}, []int64{0, 1, 0, 0}, []string{"wild", "pet"}, ""},
		{"-1=unknown,cat=dog", pets, []int64{-1, 1, 3}, []int64{3, 1, 2}, []string{"bird", "dog", "fish", "unknown"}, ""},
		{"cat=dog", pets, []int64{0, 4}, nil, nil, "sample 1: label 4 has no class name"},
		{"cow=dog", pets, nil, nil, nil, `"cow" is none of the 4 classes`},
		{"1=dog", pets, nil, nil, nil, `"1" is none of the 4 classes`},
		{"cat=a,cat=b", pets, nil, nil, nil, "two rules"},
		{"*=a,*=b", pets, nil, nil, nil, "two rules"},
		{"3=1,4=1", nil, []int64{1, 2, 3, 4}, []int64{1, 2, 1, 1}, nil, ""},
		{"3=1,*=0", nil, []int64{1, 3}, []int64{0, 1}, nil, ""},
		{"0=cat,1=dog,2=cat", nil, []int64{2, 1, 0}, []int64{0, 1, 0}, []string{"cat", "dog"}, ""},
		{"0=cat", nil, []int64{0, 1}, nil, nil, "sample 1: label 1: no rule names it"},
		{"cat=1", nil, nil, nil, nil, "want the number of a label"},
		{"1=2,1=3", nil, nil, nil, nil, "two rules for 1"},
	} {
		rules, err := label.ParseMapping(test.rules)
		if err != nil {
			t.Fatal(err)
		}
		m, err := label.NewMapping(rules, test.classes)
		var got []int64
		if err == nil {
			got, err = m.Apply(test.labels)
		}
		if test.bad != "" {
			if err == nil || !strings.Contains(err.Error(), test.bad) {
				t.Errorf("%s: got %v, want %q", test.rules, err, test.bad)
			}
			continue
		}
		if err != nil || !slices.Equal(got, test.want) || !slices.Equal(m.Classes(), test.names) {
			t.Errorf("%s: got %v %v, %v; want %v %v", test.rules, got, m.Classes(), err, test.want, test.names)
		}
	}
	if _, err := label.NewMapping(nil, pets); err == nil {
		t.Error("no rules: no error")
	}
	var zero label.Mapping
	if l, err := zero.Label(7); l != 7 || err != nil {
		t.Error(l, err)
	}
}

func FuzzParseMapping(f *testing.F) {
	for _, s := range []string{"cat=animal,dog=animal", "# x\na=b\n", `"a,b"="c"`, `{"a":"b"}`, "0=1,*=2", "a=b,", "\"\\ud800\"=x", "{\"a\":{"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := label.ParseMapping(text)
		if (err == nil) != (len(rules) > 0) {
			t.Fatalf("%d rules, %v", len(rules), err)
		}
		for _, classes := range [][]string{nil, {"a", "cat", "a"}} {
			m, err := label.NewMapping(rules, classes)
			if err != nil {
				continue
			}
			for l := int64(-2); l < 5; l++ {
				if to, err := m.Label(l); err == nil && m.Classes() != nil && (to < 0 || to >= int64(len(m.Classes()))) {
					t.Fatalf("%q: label %d becomes %d of %d classes", text, l, to, len(m.Classes()))
				}
			}
		}
	})
}
