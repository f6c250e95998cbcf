package array

import (
	"math"
	"strconv"
	"strings"
)

// notATime is NaT's number.
const notATime = math.MinInt64

// castTime casts between times of other units, and between times and numbers
// as NumPy's bits.
func castTime(dst, src []byte, n int, to, from DType) error {
	switch {
	case isTime(to) && numeric(from):
		if from.kind == 'f' || from.kind == 'c' || from.kind == 'V' {
			return castUnsupported(to, from)
		}
		castNumbers(dst, src, n, DType{kind: 'i', order: to.order, size: 8}, from)
		return nil
	case isTime(from) && numeric(to) && to.kind != 'b':
		if to.kind == 'f' || to.kind == 'c' || to.kind == 'V' {
			return castUnsupported(to, from)
		}
		castNumbers(dst, src, n, to, DType{kind: 'i', order: from.order, size: 8})
		return nil
	case from.kind != to.kind || !isTime(to):
		return castUnsupported(to, from)
	}
	convert, ok := timeConversion(from, to)
	if !ok {
		return castUnsupported(to, from)
	}
	in, out := order(from), order(to)
	for i := 0; i < n*8; i += 8 {
		v := int64(in.Uint64(src[i:]))
		if v != notATime {
			v = convert(v)
		}
		out.PutUint64(dst[i:], uint64(v))
	}
	return nil
}

// months and attoseconds of a unit; one of the two is 0.
var timeUnits = map[string]struct{ months, seconds, perSecond int64 }{
	"Y": {months: 12}, "M": {months: 1},
	"W": {0, 604800, 1}, "D": {0, 86400, 1}, "h": {0, 3600, 1}, "m": {0, 60, 1}, "s": {0, 1, 1},
	"ms": {0, 1, 1e3}, "us": {0, 1, 1e6}, "ns": {0, 1, 1e9},
	"ps": {0, 1, 1e12}, "fs": {0, 1, 1e15}, "as": {0, 1, 1e18},
}

// timeConversion returns what brings a time of one unit into another. A
// generic time has no unit to start from or to reach but its own.
func timeConversion(from, to DType) (func(int64) int64, bool) {
	if from.unit == to.unit || from.unit == "" {
		return func(v int64) int64 { return v }, true
	}
	if to.unit == "" {
		return nil, false
	}
	fromCount, fromName := cutCount(from.unit)
	toCount, toName := cutCount(to.unit)
	a, b := timeUnits[fromName], timeUnits[toName]
	switch {
	case a.months > 0 && b.months > 0:
		return ratio(a.months*fromCount, b.months*toCount), true
	case a.months == 0 && b.months == 0:
		return secondRatio(a.seconds*fromCount, a.perSecond, b.seconds*toCount, b.perSecond), true
	case from.kind == 'm':
		return nil, false // a month has no length
	case a.months > 0:
		fromDays := secondRatio(86400, 1, b.seconds*toCount, b.perSecond)
		return func(v int64) int64 { return fromDays(monthDays(v * fromCount * a.months)) }, true
	}
	toDays := secondRatio(a.seconds*fromCount, a.perSecond, 86400, 1)
	return func(v int64) int64 { return floorDiv(dayMonths(toDays(v)), b.months*toCount) }, true
}

// cutCount splits "25s".
func cutCount(unit string) (int64, string) {
	name := strings.TrimLeft(unit, "0123456789")
	if name == unit {
		return 1, name
	}
	n, _ := strconv.ParseInt(unit[:len(unit)-len(name)], 10, 64) // checked by parseUnit
	return n, name
}

// secondRatio converts between units of aSec/aPer and bSec/bPer seconds.
func secondRatio(aSec, aPer, bSec, bPer int64) func(int64) int64 {
	g := gcd(aPer, bPer)
	aPer, bPer = aPer/g, bPer/g
	h := gcd(aSec, bSec)
	return ratio(aSec/h*bPer, bSec/h*aPer)
}

// ratio multiplies by num/den and rounds down.
func ratio(num, den int64) func(int64) int64 {
	g := gcd(num, den)
	num, den = num/g, den/g
	return func(v int64) int64 { return floorDiv(v*num, den) }
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, 1)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// monthDays returns the day, from 1970-01-01, that a month begins with,
// counted from January 1970.
func monthDays(months int64) int64 {
	y, m := 1970+floorDiv(months, 12), months-12*floorDiv(months, 12)+1
	// Years begin in March, so that the leap day is a year's last.
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*(m-3) + 2) / 5
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// dayMonths returns the month that a day lies in.
func dayMonths(days int64) int64 {
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153 // March is 0
	return (yoe+era*400-1970)*12 + mp + 2
}
