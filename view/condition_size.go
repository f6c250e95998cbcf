package view

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// measure compares the width or height of a picture, or how many bytes are
// stored: of a field that fits, the bytes of all of them.
func (s *Server) measure(c clause, what string, fits func(k int) bool) (condition, error) {
	if c.Op == "~" {
		return condition{}, queryError(c.At, "%q is a number; ~ is for text", c.Name)
	}
	var list []int
	for k := range s.fields {
		if fits(k) && (what == "bytes" || s.kindOf(k) == kindImage) {
			list = append(list, k)
		}
	}
	if what == "bytes" {
		x, ok := parseSize(c.Value)
		if !ok {
			return condition{}, queryError(c.At, "%s%s%s: expected a size such as 1000, 64KB or 1.5MiB", c.Name, c.Op, c.Value)
		}
		return condition{cost: costTable, holds: func(p *probe) (bool, error) {
			n := int64(0)
			for _, k := range list {
				v, err := p.at(k)
				if err != nil {
					return false, err
				}
				n += v.size()
			}
			return ordered(c.Op, float64(n), x), nil
		}}, nil
	}
	x, err := strconv.ParseFloat(c.Value, 64)
	switch {
	case what != "width" && what != "height":
		return condition{}, queryError(c.At, "a picture has width, height and bytes, no %q", what)
	case err != nil:
		return condition{}, queryError(c.At, "%s%s%s: expected a number", c.Name, c.Op, c.Value)
	case len(list) == 0:
		return condition{}, queryError(c.At, "no field has pictures")
	}
	return condition{cost: costRow, holds: func(p *probe) (bool, error) {
		for _, k := range list {
			width, height, err := s.pictureSize(k, p.member(k))
			if err != nil {
				return false, err
			}
			side := width
			if what == "height" {
				side = height
			}
			if ordered(c.Op, float64(side), x) {
				return true, nil
			}
		}
		return false, nil
	}}, nil
}

// parseSize reads a number of bytes: 1000, 64k, 1.5MB (of 1000), 2GiB (of 1024).
func parseSize(text string) (float64, bool) {
	digits := strings.TrimRightFunc(text, unicode.IsLetter)
	x, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(x >= 0) || math.IsInf(x, 0) {
		return 0, false
	}
	unit := strings.ToLower(text[len(digits):])
	if unit == "" || unit == "b" {
		return x, true
	}
	power := strings.IndexByte("kmgt", unit[0]) + 1
	base, ok := map[string]float64{"": 1000, "b": 1000, "i": 1024, "ib": 1024}[unit[1:]]
	return x * math.Pow(base, float64(power)), ok && power > 0
}
