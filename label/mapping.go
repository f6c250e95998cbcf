package label

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rename is one rule of a Mapping: samples of From are of To from then on.
type Rename struct {
	From string // the name of a class, the number of a label, or Others
	To   string // a name, or a number where there are no names
}

// Others, as a Rename's From, stands for all labels that no other rule names.
const Others = "*"

// Mapping gives labels new numbers, and classes new names. The zero value
// changes nothing. It is immutable and safe for concurrent use.
//
// With class names the rules go from names to names. A From that is no name may
// be the number of a label that has none. Classes that no rule names keep their
// name, or get that of Others. The new classes are numbered in the order in
// which the old ones, by their numbers, first give each; those of labels without
// a name come last, in the order of the rules.
//
// Without class names each From is the number of a label. If all To are numbers
// too, they are the new labels, and labels that no rule names stay as they are.
// Otherwise the To are the names of classes from then on, numbered in the order
// in which the rules first give each, and a label that no rule names has none:
// it is an error of Label.
type Mapping struct {
	classes []string
	to      map[int64]int64
	other   int64
	caught  bool // labels without a rule are other
	keep    bool // labels without a rule stay
	known   []string
}

// NewMapping makes the mapping of rules for labels with these class names, nil
// for none. A rule for what doesn't exist, two rules for one class, or an empty
// name are an error. The slices are only read.
func NewMapping(rules []Rename, classes []string) (Mapping, error) {
	m := Mapping{to: map[int64]int64{}, known: classes}
	if len(rules) == 0 {
		return m, errors.New("no rule; want at least one, such as cat=animal")
	}
	for _, r := range rules {
		if r.To == "" {
			return m, fmt.Errorf("%q becomes a class without a name", r.From)
		}
	}
	if classes != nil {
		return m, m.byName(rules)
	}
	return m, m.byNumber(rules)
}

// byName makes the mapping of labels that have names.
func (m *Mapping) byName(rules []Rename) error {
	number := make(map[string]int64, len(m.known))
	for i, name := range m.known {
		if _, twice := number[name]; !twice {
			number[name] = int64(i)
		}
	}
	to := map[int64]string{} // by old label
	var beyond []int64       // old labels without a name, in the order of the rules
	rest, caught := "", false
	for _, r := range rules {
		l, ok := number[r.From]
		switch {
		case !ok && r.From == Others:
			if caught {
				return fmt.Errorf("two rules for %s", Others)
			}
			rest, caught = r.To, true
			continue
		case !ok:
			n, err := strconv.ParseInt(r.From, 10, 64)
			if err != nil || n >= 0 && n < int64(len(m.known)) {
				return fmt.Errorf("%q is none of the %d classes", r.From, len(m.known))
			}
			l = n
			beyond = append(beyond, l)
		}
		if _, twice := to[l]; twice {
			return fmt.Errorf("two rules for %q", r.From)
		}
		to[l] = r.To
	}
	at := map[string]int64{}
	for i, name := range m.known {
		if new, ok := to[int64(i)]; ok {
			name = new
		} else if caught {
			name = rest
		}
		m.to[int64(i)] = m.class(at, name)
	}
	for _, l := range beyond {
		m.to[l] = m.class(at, to[l])
	}
	if caught {
		m.caught, m.other = true, m.class(at, rest)
	}
	return nil
}

// byNumber makes the mapping of labels without names.
func (m *Mapping) byNumber(rules []Rename) error {
	numbers := !slices.ContainsFunc(rules, func(r Rename) bool {
		_, err := strconv.ParseInt(r.To, 10, 64)
		return err != nil
	})
	at := map[string]int64{}
	for _, r := range rules {
		to := int64(0)
		if numbers {
			to, _ = strconv.ParseInt(r.To, 10, 64)
		} else {
			to = m.class(at, r.To)
		}
		if r.From == Others {
			if m.caught {
				return fmt.Errorf("two rules for %s", Others)
			}
			m.caught, m.other = true, to
			continue
		}
		from, err := strconv.ParseInt(r.From, 10, 64)
		if err != nil {
			return fmt.Errorf("%q; there are no class names, want the number of a label", r.From)
		}
		if _, twice := m.to[from]; twice {
			return fmt.Errorf("two rules for %d", from)
		}
		m.to[from] = to
	}
	m.keep = numbers
	return nil
}

// class returns the number of a new class.
func (m *Mapping) class(at map[string]int64, name string) int64 {
	n, ok := at[name]
	if !ok {
		n = int64(len(m.classes))
		at[name] = n
		m.classes = append(m.classes, name)
	}
	return n
}

// Classes returns the names of the new labels 0, 1, …; nil when they have none.
// The slice is the caller's.
func (m Mapping) Classes() []string { return slices.Clone(m.classes) }

// Label returns the new label of an old one. One that has none is an error.
func (m Mapping) Label(old int64) (int64, error) {
	if l, ok := m.to[old]; ok {
		return l, nil
	}
	switch {
	case m.caught:
		return m.other, nil
	case m.keep || m.to == nil:
		return old, nil
	case m.known != nil:
		return 0, fmt.Errorf("label %d has no class name (there are %d), and no rule names it", old, len(m.known))
	}
	return 0, fmt.Errorf("label %d: no rule names it", old)
}

// Apply returns the new labels in a slice of its own. A label that has none is
// an error, which names its place.
func (m Mapping) Apply(labels []int64) ([]int64, error) {
	out := make([]int64, len(labels))
	for i, l := range labels {
		var err error
		if out[i], err = m.Label(l); err != nil {
			return nil, fmt.Errorf("sample %d: %w", i, err)
		}
	}
	return out, nil
}

// ParseMapping reads rules: OLD=NEW, with commas or line ends between. White
// space around a name doesn't count. A name in double quotes is a JSON string,
// so that it may hold any of these. A line that begins with # is a comment. A
// text that begins with { is one JSON object from old names to new ones, strings
// all. An error names the line. See NewMapping for what the rules mean.
func ParseMapping(text string) ([]Rename, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return parseObject(text)
	}
	var rules []Rename
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		for line != "" {
			r, rest, err := parseRule(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			rules, line = append(rules, r), rest
		}
	}
	if len(rules) == 0 {
		return nil, errors.New("no rule; want OLD=NEW")
	}
	return rules, nil
}

// parseRule reads a rule and what separates it from the next.
func parseRule(line string) (r Rename, rest string, err error) {
	from, rest, err := parseName(line, "=")
	if err != nil {
		return r, "", err
	}
	if !strings.HasPrefix(rest, "=") {
		return r, "", fmt.Errorf("%q; want OLD=NEW", line)
	}
	to, rest, err := parseName(strings.TrimSpace(rest[1:]), ",")
	if err != nil {
		return r, "", err
	}
	if rest != "" {
		if rest[0] != ',' {
			return r, "", fmt.Errorf("%q; want a comma between two rules", rest)
		}
		if rest = strings.TrimSpace(rest[1:]); rest == "" {
			return r, "", errors.New("a comma at the end")
		}
	}
	if from == "" || to == "" {
		return r, "", fmt.Errorf("%q: an empty name; want OLD=NEW", line)
	}
	return Rename{From: from, To: to}, rest, nil
}

// parseName reads a name, quoted or up to end, and the white space behind it.
func parseName(text, end string) (name, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		at := strings.IndexAny(text, end+",\"")
		if at < 0 {
			at = len(text)
		}
		return strings.TrimSpace(text[:at]), text[at:], nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&name); err != nil {
		return "", "", fmt.Errorf("%s: a name in quotes that is no JSON string", text)
	}
	return name, strings.TrimSpace(text[d.InputOffset():]), nil
}

// parseObject reads a JSON object, whose order counts.
func parseObject(text string) ([]Rename, error) {
	d := json.NewDecoder(strings.NewReader(text))
	bad := func(err error) ([]Rename, error) {
		line := 1 + strings.Count(text[:min(int(d.InputOffset()), len(text))], "\n")
		return nil, fmt.Errorf("line %d: %w; want a JSON object of strings", line, err)
	}
	if _, err := d.Token(); err != nil {
		return bad(err)
	}
	var rules []Rename
	for d.More() {
		var r Rename
		key, err := d.Token()
		if err != nil {
			return bad(err)
		}
		r.From = key.(string) // the decoder takes nothing else there
		if err := d.Decode(&r.To); err != nil {
			return bad(err)
		}
		rules = append(rules, r)
	}
	if _, err := d.Token(); err != nil {
		return bad(err)
	}
	if strings.TrimSpace(text[d.InputOffset():]) != "" {
		return bad(errors.New("text behind the object"))
	}
	if len(rules) == 0 {
		return nil, errors.New("no rule; want {\"OLD\": \"NEW\"}")
	}
	return rules, nil
}
