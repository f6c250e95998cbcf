package ffcv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/fields"
)

// classes writes a CLAS section.
func (b *blockWriter) classes(classes []string) {
	p, err := appendClasses(nil, classes)
	if err != nil && b.err == nil {
		b.err = err
	}
	b.begin(TagClasses, 0, int64(len(p)))
	b.Write(p)
}

// names writes a NAME section. each calls yield with the name of every sample
// in order, "" for none, and returns yield's error at once; it is called three
// times. names returns where the section's payload begins in the file.
func (b *blockWriter) names(count int64, each func(yield func(name []byte) error) error) (payload int64) {
	var total, n int64
	err := each(func(name []byte) error {
		total += int64(len(name))
		n++
		return nil
	})
	if err == nil && n != count {
		err = fmt.Errorf("extension block: %d names for %d samples", n, count)
	}
	if err != nil {
		b.err = errors.Join(b.err, err)
		return 0
	}
	b.begin(TagNames, 0, namesSize(count, total))
	payload = b.at
	buf := binary.LittleEndian.AppendUint64(make([]byte, 0, 64<<10), uint64(count))
	buf = binary.LittleEndian.AppendUint64(buf, 0)
	add := func(p []byte) error {
		if len(buf)+len(p) > cap(buf) {
			b.Write(buf)
			buf = buf[:0]
		}
		if len(p) > cap(buf) {
			b.Write(p)
			return b.err
		}
		buf = append(buf, p...)
		return b.err
	}
	var off uint64
	err = each(func(name []byte) error {
		off += uint64(len(name))
		var p [8]byte
		binary.LittleEndian.PutUint64(p[:], off)
		return add(p[:])
	})
	if err == nil {
		err = each(add)
	}
	if err != nil && b.err == nil {
		b.err = err
	}
	b.Write(buf)
	return payload
}

// marks writes a MARK section.
func (b *blockWriter) marks(field int, each ...string) {
	var head [marksHeadSize]byte
	putMarksHead(head[:], field, int64(len(each)))
	p := binary.LittleEndian.AppendUint64(head[:], 0)
	n := 0
	for _, m := range each {
		n += len(m)
		p = binary.LittleEndian.AppendUint64(p, uint64(n))
	}
	p = append(p, strings.Join(each, "")...)
	b.begin(TagMarks, 0, int64(len(p)))
	b.Write(p)
}

// withBlock puts an extension block before the allocation table of a file
// without one.
func withBlock(t testing.TB, file []byte, build func(b *blockWriter)) []byte {
	t.Helper()
	h := HeaderAt(file)
	var block bytes.Buffer
	w := newBlockWriter(&block, int64(h.AllocTable))
	build(w)
	end, err := w.finish()
	if err != nil {
		t.Fatal(err)
	}
	if end != int64(h.AllocTable)+int64(block.Len()) {
		t.Fatalf("the block ends at %d, but %d bytes were written at %d", end, block.Len(), h.AllocTable)
	}
	out := slices.Concat(file[:h.AllocTable], block.Bytes(), file[h.AllocTable:])
	h.AllocTable = uint64(end)
	h.Put(out)
	return out
}

// intFile is a file of one Int field with the values 0 to n-1.
func intFile(n int) []byte {
	b := make([]byte, HeaderSize+DescriptorSize+8*n)
	Header{Version: Version, NumFields: 1, PageSize: MinPageSize, NumSamples: uint64(n), AllocTable: uint64(len(b))}.Put(b)
	d := FieldDesc{Type: fields.TypeInt, Name: "n"}
	d.Put(b[HeaderSize:])
	for i := range n {
		binary.LittleEndian.PutUint64(b[HeaderSize+DescriptorSize+8*i:], uint64(i))
	}
	return b
}

func openBytes(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := New(ReaderAtSource("test", bytes.NewReader(b), int64(len(b))), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// eachName is what blockWriter.names takes.
func eachName(names []string) func(func([]byte) error) error {
	return func(yield func([]byte) error) error {
		for _, n := range names {
			if err := yield([]byte(n)); err != nil {
				return err
			}
		}
		return nil
	}
}

func indexOf(names []string) nameTable {
	t := make(nameTable, nameTableSize(int64(len(names))))
	for i, n := range names {
		if n != "" {
			t.put(nameHash(n), int64(i), func(earlier int64) bool { return names[earlier] == n })
		}
	}
	return t
}

var someNames = []string{"cat/1.jpg", "", "cat/2.jpg", "dog/ü.jpg", "cat/1.jpg", "", strings.Repeat("long/", 40000), "\xff\xfe", "z"}

func TestBlock(t *testing.T) {
	classes := []string{"cat", "", "köter", "dog", "\xff\xfe"}
	unknown := Tag(0x01020304)
	table := indexOf(someNames)
	b := withBlock(t, intFile(len(someNames)), func(b *blockWriter) {
		b.classes(classes)
		b.begin(unknown, 0, 3)
		b.Write([]byte("a"))
		b.Write([]byte("bc"))
		b.names(int64(len(someNames)), eachName(someNames))
		b.begin(TagNameIndex, 0, int64(len(table)))
		b.Write(table)
	})
	f := openBytes(t, b)
	list, err := f.Sections()
	if err != nil || len(list) != 4 {
		t.Fatalf("%v, %v", list, err)
	}
	for i, tag := range []Tag{TagClasses, unknown, TagNames, TagNameIndex} {
		if list[i].Tag != tag || list[i].Offset%8 != 0 {
			t.Errorf("section %d: %+v, want %v", i, list[i], tag)
		}
	}
	if p, err := io.ReadAll(f.OpenSection(list[1])); string(p) != "abc" || err != nil {
		t.Errorf("unknown section: %q, %v", p, err)
	}
	if got := f.Classes(); !slices.Equal(got, classes) {
		t.Errorf("classes %q, want %q", got, classes)
	}
	for i, want := range someNames {
		if got, err := f.Key(i); got != want || err != nil {
			t.Errorf("Key(%d) = %q, %v; want %q", i, got, err, want)
		}
		first := slices.Index(someNames, want)
		if got, ok, err := f.Find(want); err != nil || ok != (want != "") || ok && got != first {
			t.Errorf("Find(%.20q) = %d, %v, %v; want %d", want, got, ok, err, first)
		}
		if v, err := f.Int(i, 0); v != int64(i) || err != nil {
			t.Errorf("Int(%d) = %d, %v", i, v, err)
		}
	}
	for _, none := range []string{"", "cat", "cat/1.jpg ", "/cat/1.jpg", "zz"} {
		if i, ok, err := f.Find(none); ok || err != nil {
			t.Errorf("Find(%q) = %d, %v, %v", none, i, ok, err)
		}
	}
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
	if want := "CLAS 0x01020304 NAME NIDX"; fmt.Sprint(list[0].Tag, list[1].Tag, list[2].Tag, list[3].Tag) != want {
		t.Errorf("tags %v, want %s", list, want)
	}
}

func TestFindWithoutIndex(t *testing.T) {
	f := openBytes(t, withBlock(t, intFile(len(someNames)), func(b *blockWriter) { b.names(int64(len(someNames)), eachName(someNames)) }))
	for i, name := range someNames {
		if got, ok, err := f.Find(name); err != nil || ok != (name != "") || ok && someNames[got] != name || got > i {
			t.Errorf("Find(%.20q) = %d, %v, %v", name, got, ok, err)
		}
	}
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

func TestEmptyBlock(t *testing.T) {
	f := openBytes(t, withBlock(t, intFile(0), func(b *blockWriter) {}))
	list, err := f.Sections()
	if len(list) != 0 || err != nil || f.Len() != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
	f = openBytes(t, withBlock(t, intFile(0), func(b *blockWriter) {
		b.classes(nil)
		b.names(0, eachName(nil))
		b.begin(TagNameIndex, 0, nameTableSize(0))
		b.Write(make([]byte, nameTableSize(0)))
	}))
	if _, ok, err := f.Find("a"); ok || err != nil || f.Classes() == nil {
		t.Errorf("%v, %v, %v", ok, err, f.Classes())
	}
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// A large table fills to three quarters and finds every name, many alike too.
func TestNameTable(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 96, 97, 10000} {
		slots := nameTableSize(int64(n)) / 8
		if slots&(slots-1) != 0 || slots < int64(n)+1 || int64(n)*4 > slots*3+3 || n > 0 && slots > 4*int64(n) {
			t.Errorf("%d slots for %d names", slots, n)
		}
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("class%d/%d.jpg", i%7, i/3*3) // each three times
		}
		f := openBytes(t, withBlock(t, intFile(n), func(b *blockWriter) {
			b.names(int64(n), eachName(names))
			x := indexOf(names)
			b.begin(TagNameIndex, 0, int64(len(x)))
			b.Write(x)
		}))
		for i, name := range names {
			got, ok, err := f.Find(name)
			if !ok || err != nil || names[got] != name || got > i {
				t.Fatalf("%d names: Find(%q) = %d, %v, %v", n, name, got, ok, err)
			}
		}
		if err := f.Verify(context.Background(), nil); err != nil {
			t.Error(err)
		}
	}
	// Known values hold the hash still: they are in files.
	for name, want := range map[string]uint64{"": 0xefd01f60ba992926, "a": 0x82a2a958a9bece5b, "cat/1.jpg": 0x490e9736f1c55283} {
		if got := nameHash(name); got != want {
			t.Errorf("hash of %q: 0x%016x, want 0x%016x", name, got, want)
		}
	}
}

func TestBlockWriterRefuses(t *testing.T) {
	for name, build := range map[string]func(b *blockWriter){
		"too much":     func(b *blockWriter) { b.begin(1, 0, 2); b.Write([]byte("abc")) },
		"too little":   func(b *blockWriter) { b.begin(1, 0, 2); b.Write([]byte("a")) },
		"unfinished":   func(b *blockWriter) { b.begin(1, 0, 2); b.begin(2, 0, 0) },
		"negative":     func(b *blockWriter) { b.begin(1, 0, -1) },
		"no section":   func(b *blockWriter) { b.Write([]byte("a")) },
		"count":        func(b *blockWriter) { b.names(2, eachName([]string{"a"})) },
		"disk is full": func(b *blockWriter) { b.w = fullDisk{}; b.classes([]string{"a"}) },
	} {
		b := newBlockWriter(io.Discard, 100)
		build(b)
		if end, err := b.finish(); err == nil || end != 0 {
			t.Errorf("%s: %d, %v", name, end, err)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// fixTrailer gives a block whose trailer was changed its checksum again.
func fixTrailer(b []byte, table int) {
	binary.LittleEndian.PutUint32(b[table-4:], crc32.Checksum(b[table-64:table-4], castagnoli))
}

func TestDamagedBlock(t *testing.T) {
	names := []string{"a", "b", "c"}
	sound := withBlock(t, intFile(3), func(b *blockWriter) {
		b.classes([]string{"x", "y"})
		b.names(3, eachName(names))
		x := indexOf(names)
		b.begin(TagNameIndex, 0, int64(len(x)))
		b.Write(x)
	})
	table := int(HeaderAt(sound).AllocTable)
	at := table - 64
	off := int(binary.LittleEndian.Uint64(sound[at+16:]))
	put64 := func(off int, v uint64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[off:], v) }
	}
	type want int
	const (
		broken      want = iota // Sections and Verify tell, samples are read
		payload                 // only Verify tells
		unsupported             // Open refuses
	)
	for name, c := range map[string]struct {
		change func(b []byte)
		fix    bool // the trailer's checksum is right again
		want   want
	}{
		"magic":               {func(b []byte) { b[at] ^= 1 }, true, payload},
		"trailer's checksum":  {func(b []byte) { b[at+60] ^= 1 }, false, broken},
		"trailer's flags":     {func(b []byte) { b[at+12] ^= 1 }, false, broken},
		"trailer's reserved":  {func(b []byte) { b[at+40] ^= 1 }, false, broken},
		"newer version":       {func(b []byte) { b[at+8] = 2 }, true, broken},
		"newer and required":  {func(b []byte) { b[at+8], b[at+12] = 2, 1 }, true, unsupported},
		"offset 0":            {put64(at+16, 0), true, broken},
		"offset in metadata":  {put64(at+16, uint64(off-8)), true, broken},
		"offset + 8":          {put64(at+16, uint64(off+8)), true, broken},
		"offset not aligned":  {put64(at+16, uint64(off+1)), true, broken},
		"offset past the end": {put64(at+16, 1<<40), true, broken},
		"offset negative":     {put64(at+16, math.MaxUint64), true, broken},
		"length 0":            {put64(at+24, 0), true, broken},
		"length huge":         {put64(at+24, math.MaxUint64), true, broken},
		"block's checksum":    {func(b []byte) { b[at+32] ^= 1 }, true, payload},
		"payload":             {func(b []byte) { b[off+20] ^= 1 }, false, payload},
		"section's length":    {put64(off+8, 1<<62), false, broken},
		"section's length -1": {put64(off+8, math.MaxUint64), false, broken},
		"required, unflagged": {func(b []byte) { b[off+4] |= 1; b[off] = 'X' }, false, payload},
	} {
		t.Run(name, func(t *testing.T) {
			b := bytes.Clone(sound)
			c.change(b)
			if c.fix {
				fixTrailer(b, table)
			}
			f, err := New(ReaderAtSource("test", bytes.NewReader(b), int64(len(b))), nil)
			if c.want == unsupported {
				if !errors.Is(err, ErrUnsupported) {
					t.Fatalf("Open: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if v, err := f.Int(i, 0); v != int64(i) || err != nil {
					t.Errorf("sample %d: %d, %v", i, v, err)
				}
			}
			_, err = f.Sections()
			if (err != nil) != (c.want == broken) {
				t.Errorf("Sections: %v", err)
			}
			f.Classes()
			f.Key(1)
			f.Find("b")
			var n int
			err = f.Verify(context.Background(), func(*FormatError) { n++ })
			if err == nil || n == 0 {
				t.Errorf("Verify: %v, %d reports", err, n)
			}
		})
	}
}

// Damage behind a right checksum: the payloads are checked on their own.
func TestDamagedSections(t *testing.T) {
	raw := func(tag Tag, p []byte) func(b *blockWriter) {
		return func(b *blockWriter) { b.begin(tag, 0, int64(len(p))); b.Write(p) }
	}
	u32 := func(v ...uint32) (p []byte) {
		for _, x := range v {
			p = binary.LittleEndian.AppendUint32(p, x)
		}
		return p
	}
	u64 := func(v ...uint64) (p []byte) {
		for _, x := range v {
			p = binary.LittleEndian.AppendUint64(p, x)
		}
		return p
	}
	const one = 1 << 32 // as the upper half of the head's first u64: reserved
	good := func(b *blockWriter) { b.names(2, eachName([]string{"a", "b"})) }
	slot := func(name string, sample uint64) uint64 { return nameHash(name)&^slotSampleMask | (sample + 1) }
	for name, build := range map[string]func(b *blockWriter){
		"classes: nothing":        raw(TagClasses, nil),
		"classes: count":          raw(TagClasses, u32(1000)),
		"classes: count huge":     raw(TagClasses, u32(math.MaxUint32)),
		"classes: length":         raw(TagClasses, u32(1, 5, 0)),
		"classes: length huge":    raw(TagClasses, u32(1, math.MaxUint32)),
		"classes: left over":      raw(TagClasses, u32(1, 0, 0)),
		"classes: twice":          func(b *blockWriter) { b.classes(nil); b.classes(nil) },
		"names: nothing":          raw(TagNames, nil),
		"names: count":            raw(TagNames, u64(1, 0, 0)),
		"names: count huge":       raw(TagNames, u64(math.MaxUint64, 0, 0)),
		"names: index cut":        raw(TagNames, u64(2, 0, 0)),
		"names: offset down":      raw(TagNames, append(u64(2, 0, 2, 1), "ab"...)),
		"names: offset outside":   raw(TagNames, append(u64(2, 0, 1, 3), "ab"...)),
		"names: offset huge":      raw(TagNames, append(u64(2, 0, 1, math.MaxUint64), "ab"...)),
		"index: alone":            raw(TagNameIndex, u64(0)),
		"index: nothing":          func(b *blockWriter) { good(b); raw(TagNameIndex, nil)(b) },
		"index: not slots":        func(b *blockWriter) { good(b); raw(TagNameIndex, make([]byte, 9))(b) },
		"index: not a power of 2": func(b *blockWriter) { good(b); raw(TagNameIndex, u64(0, 0, 0))(b) },
		"index: empty":            func(b *blockWriter) { good(b); raw(TagNameIndex, u64(0, 0))(b) },
		"index: no free slot":     func(b *blockWriter) { good(b); raw(TagNameIndex, u64(slot("x", 0)))(b) },
		"index: sample outside":   func(b *blockWriter) { good(b); raw(TagNameIndex, u64(slot("a", 2)))(b) },
		"index: swapped":          func(b *blockWriter) { good(b); raw(TagNameIndex, u64(slot("a", 1)))(b) },
		"marks: nothing":          raw(TagMarks, nil),
		"marks: head cut":         raw(TagMarks, u64(0)),
		"marks: no offset":        raw(TagMarks, u64(0, 2)),
		"marks: count":            raw(TagMarks, u64(0, 1, 0, 0)),
		"marks: count huge":       raw(TagMarks, u64(0, math.MaxUint64, 0, 0)),
		"marks: index cut":        raw(TagMarks, u64(0, 2, 0, 0)),
		"marks: field":            func(b *blockWriter) { b.marks(1, "a", "b") },
		"marks: field huge":       func(b *blockWriter) { b.marks(math.MaxUint32, "a", "b") },
		"marks: reserved":         raw(TagMarks, append(u64(one, 2, 0, 1, 2), "ab"...)),
		"marks: twice":            func(b *blockWriter) { b.marks(0, "a", "b"); b.marks(0, "a", "b") },
		"marks: first offset":     raw(TagMarks, append(u64(0, 2, 1, 1, 2), "ab"...)),
		"marks: offset down":      raw(TagMarks, append(u64(0, 2, 0, 2, 1), "ab"...)),
		"marks: offset outside":   raw(TagMarks, append(u64(0, 2, 0, 1, 3), "ab"...)),
		"marks: offset huge":      raw(TagMarks, append(u64(0, 2, 0, 1, math.MaxUint64), "ab"...)),
		"marks: bytes left over":  raw(TagMarks, append(u64(0, 2, 0, 1, 2), "abc"...)),
	} {
		t.Run(name, func(t *testing.T) {
			f := openBytes(t, withBlock(t, intFile(2), build))
			if _, err := f.Sections(); err != nil {
				t.Errorf("Sections: %v", err)
			}
			f.Classes()
			for i := range 2 {
				f.Key(i)
				f.Marks(i, 0, nil)
			}
			f.Find("a")
			if err := f.Verify(context.Background(), nil); err == nil {
				t.Error("Verify finds it sound")
			} else if e := new(FormatError); !errors.As(err, &e) {
				t.Errorf("Verify: %T", err)
			}
		})
	}
}

func TestRequiredSection(t *testing.T) {
	b := withBlock(t, intFile(2), func(b *blockWriter) { b.begin(Tag(0x58585858), FlagRequired, 0) })
	_, err := New(ReaderAtSource("test", bytes.NewReader(b), int64(len(b))), nil)
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "XXXX") {
		t.Errorf("%v", err)
	}
	b = withBlock(t, intFile(2), func(b *blockWriter) { b.begin(TagClasses, FlagRequired, 4); b.Write(make([]byte, 4)) })
	if err := openBytes(t, b).Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// The directory is walked with one small read a section, whatever their
// number and size.
func TestSectionsBounded(t *testing.T) {
	b := withBlock(t, intFile(2), func(b *blockWriter) {
		for range maxSections + 1 {
			b.begin(7, 0, 0)
		}
	})
	list, err := openBytes(t, b).Sections()
	if err == nil || len(list) != maxSections {
		t.Errorf("%d sections, %v", len(list), err)
	}
}

// FuzzExtension: any bytes between the metadata and the table.
func FuzzExtension(f *testing.F) {
	names := []string{"cat/1.jpg", "", "dog/2.jpg"}
	base := intFile(3)
	for _, build := range []func(b *blockWriter){
		func(b *blockWriter) {},
		func(b *blockWriter) { b.classes([]string{"cat", "dog"}) },
		func(b *blockWriter) {
			b.names(3, eachName(names))
			x := indexOf(names)
			b.begin(TagNameIndex, 0, int64(len(x)))
			b.Write(x)
			b.begin(99, 0, 5)
			b.Write([]byte("hello"))
		},
		func(b *blockWriter) { b.begin(5, FlagRequired, 0) },
		func(b *blockWriter) { b.marks(0, "some", "", "marks") },
	} {
		b := withBlock(f, base, build)
		f.Add(b[len(base):], false)
		f.Add(b[len(base):], true)
	}
	f.Fuzz(func(t *testing.T, block []byte, fix bool) {
		b := slices.Concat(base, block)
		h := HeaderAt(b)
		h.AllocTable = uint64(len(b))
		h.Put(b)
		if at := len(b) - trailerSize; fix && len(block) >= trailerSize { // let the fuzzer past the checksums
			if off := binary.LittleEndian.Uint64(b[at+16:]); off >= uint64(len(base)) && off <= uint64(at) {
				binary.LittleEndian.PutUint32(b[at+32:], crc32.Checksum(b[off:at], castagnoli))
			}
			fixTrailer(b, len(b))
		}
		file, err := New(ReaderAtSource("fuzz", bytes.NewReader(b), int64(len(b))), nil)
		if err != nil {
			if e, u := new(FormatError), new(UnsupportedError); !errors.As(err, &e) && !errors.As(err, &u) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		list, _ := file.Sections()
		for _, s := range list {
			io.Copy(io.Discard, file.OpenSection(s))
		}
		file.Classes()
		for i := range 3 {
			if v, err := file.Int(i, 0); v != int64(i) || err != nil {
				t.Fatalf("sample %d: %d, %v", i, v, err)
			}
			key, err := file.Key(i)
			marks, marksErr := file.Marks(i, 0, nil)
			if len(marks) > len(block) {
				t.Fatalf("%d bytes of marks from a block of %d", len(marks), len(block))
			}
			if sound := file.Verify(context.Background(), nil) == nil; sound && (err != nil || marksErr != nil) {
				t.Fatalf("sound, but Key(%d): %v, Marks: %v", i, err, marksErr)
			} else if sound && key != "" {
				if _, ok, err := file.Find(key); !ok || err != nil {
					t.Fatalf("sound, but Find(%q): %v, %v", key, ok, err)
				}
			}
		}
		file.Find("dog/2.jpg")
		file.Find("none")
	})
}
