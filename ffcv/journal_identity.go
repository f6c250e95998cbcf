package ffcv

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"reflect"
	"strconv"
	"strings"
)

// settings are what the file depends on: the caller's and the writer's own, with
// those of one Write.
func (w *Writer) settings(write []Setting) ([]Setting, error) {
	list := append([]Setting(nil), w.opts.Journal.Identity...)
	add := func(name, format string, args ...any) {
		list = append(list, Setting{name, fmt.Sprintf(format, args...)})
	}
	for i, s := range w.plan.specs {
		d := w.plan.descs[i*DescriptorSize:][:DescriptorSize]
		add("field "+s.Name, "%s, descriptor %08x", describe(s.Field), crc32.Checksum(d, castagnoli))
	}
	add("number of fields", "%d", len(w.plan.specs))
	add("page size", "%d", w.opts.PageSize)
	add("large samples", "%t", w.opts.LargeSamples)
	add("plain", "%t", w.opts.Plain)
	add("seed", "%d", w.opts.Seed)
	add("classes", "%d, sum %08x", len(w.opts.Classes), crc32.Checksum(w.plan.classes, castagnoli))
	for _, s := range w.opts.Sections {
		add("section "+s.Tag.String(), "%d bytes, sum %08x", len(s.Data), crc32.Checksum(s.Data, castagnoli))
	}
	list = append(list, write...)
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if s.Name == "" || seen[s.Name] {
			return nil, fmt.Errorf("journal: setting %q: without a name, or of a name that is taken", s.Name)
		}
		seen[s.Name] = true
	}
	return list, nil
}

// changes compares settings by name, in the order of now.
func changes(old, now []Setting) (list []Change) {
	was := make(map[string]string, len(old))
	for _, s := range old {
		was[s.Name] = s.Value
	}
	for _, s := range now {
		value, ok := was[s.Name]
		if delete(was, s.Name); !ok || value != s.Value {
			list = append(list, Change{s.Name, value, s.Value})
		}
	}
	for _, s := range old {
		if value, ok := was[s.Name]; ok {
			list = append(list, Change{s.Name, value, ""})
		}
	}
	return list
}

// sumInts is a checksum of a list of numbers.
func sumInts(list []int) (crc uint32) {
	var b [4096]byte
	for len(list) > 0 {
		n := min(len(list), len(b)/8)
		for i, v := range list[:n] {
			binary.LittleEndian.PutUint64(b[8*i:], uint64(v))
		}
		crc, list = crc32.Update(crc, castagnoli, b[:8*n]), list[n:]
	}
	return crc
}

// describe writes a field with its settings: exported members that hold plain
// values. What a program hangs on it besides, counters behind a pointer say,
// changes no byte of a file.
func describe(v any) string {
	var b strings.Builder
	describeTo(&b, reflect.Indirect(reflect.ValueOf(v)), 0)
	return b.String()
}

// maxDescribed is how deep settings lie within each other.
const maxDescribed = 8

func describeTo(b *strings.Builder, v reflect.Value, depth int) {
	if !v.IsValid() || depth > maxDescribed {
		b.WriteString("none")
		return
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		describeTo(b, v.Elem(), depth+1)
		return
	}
	if s, ok := v.Interface().(fmt.Stringer); ok && depth > 0 {
		b.WriteString(s.String())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		describeStruct(b, v, depth)
	case reflect.Func, reflect.Chan, reflect.Map, reflect.UnsafePointer:
		b.WriteString(v.Type().String())
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(' ')
			}
			describeTo(b, v.Index(i), depth+1)
		}
		b.WriteByte(']')
	case reflect.String:
		b.WriteString(strconv.Quote(v.String()))
	default:
		fmt.Fprint(b, v.Interface())
	}
}

func describeStruct(b *strings.Builder, v reflect.Value, depth int) {
	b.WriteString(v.Type().String())
	b.WriteByte('{')
	sep := ""
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch f.Type.Kind() {
		case reflect.Pointer, reflect.Func, reflect.Chan, reflect.Map, reflect.UnsafePointer:
			continue
		}
		if !f.IsExported() {
			continue
		}
		b.WriteString(sep + f.Name + ":")
		describeTo(b, v.Field(i), depth+1)
		sep = " "
	}
	b.WriteByte('}')
}
