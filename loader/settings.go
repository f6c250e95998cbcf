package loader

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/betongo/betongo/internal/hash"
)

// pipeline describes an output for a state.
func (o *output) pipeline() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", o.src.Name)
	if o.of.Decoder == nil {
		b.WriteString("default")
	} else {
		b.WriteString(settings(o.of.Decoder))
	}
	for _, op := range o.of.Ops {
		b.WriteString(" | ")
		b.WriteString(settings(op))
	}
	if o.of.Follow != "" {
		fmt.Fprintf(&b, ", as %q", o.of.Follow)
	}
	if o.of.Disabled {
		b.WriteString(", disabled")
	}
	return b.String()
}

const (
	settingsDepth = 6
	settingsItems = 8 // of lists; longer ones are hashed
)

// settings describes a value by its type and exported fields other than zero:
// what is equal has the same description, so long as no function makes the
// difference.
func settings(v any) string {
	var b strings.Builder
	writeSettings(&b, reflect.ValueOf(v), 0, true)
	return b.String()
}

func writeSettings(b *strings.Builder, v reflect.Value, depth int, named bool) {
	if depth > settingsDepth {
		b.WriteString("…")
		return
	}
	switch v.Kind() {
	case reflect.Invalid:
		b.WriteString("nil")
	case reflect.Pointer, reflect.Interface:
		writeSettings(b, v.Elem(), depth+1, named || v.Kind() == reflect.Interface)
	case reflect.Struct:
		writeStruct(b, v, depth, named)
	case reflect.Slice, reflect.Array:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = nested(v.Index(i), depth)
		}
		writeList(b, items)
	case reflect.Map:
		var items []string
		for it := v.MapRange(); it.Next(); {
			items = append(items, nested(it.Key(), depth)+":"+nested(it.Value(), depth))
		}
		slices.Sort(items)
		writeList(b, items)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		b.WriteString(v.Type().String())
	case reflect.String:
		fmt.Fprintf(b, "%q", v.String())
	default: // numbers: without a method String, which might not tell them apart
		writeName(b, v, named)
		switch {
		case v.CanInt():
			fmt.Fprint(b, v.Int())
		case v.CanUint():
			fmt.Fprint(b, v.Uint())
		case v.CanFloat():
			fmt.Fprint(b, v.Float())
		case v.CanComplex():
			fmt.Fprint(b, v.Complex())
		default:
			fmt.Fprint(b, v.Bool())
		}
	}
}

func nested(v reflect.Value, depth int) string {
	var b strings.Builder
	writeSettings(&b, v, depth+1, false)
	return b.String()
}

func writeName(b *strings.Builder, v reflect.Value, named bool) {
	if named && v.Type().PkgPath() != "" {
		b.WriteString(v.Type().String() + " ")
	}
}

func writeStruct(b *strings.Builder, v reflect.Value, depth int, named bool) {
	if named {
		b.WriteString(v.Type().String())
	}
	b.WriteByte('{')
	first := true
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() || v.Field(i).IsZero() {
			continue
		}
		if !first {
			b.WriteByte(' ')
		}
		first = false
		b.WriteString(f.Name + ":")
		writeSettings(b, v.Field(i), depth+1, false)
	}
	b.WriteByte('}')
}

func writeList(b *strings.Builder, items []string) {
	text := strings.Join(items, " ")
	if len(items) > settingsItems {
		text = fmt.Sprintf("%d of hash %016x", len(items), hash.FNV(text))
	}
	b.WriteString("[" + text + "]")
}
