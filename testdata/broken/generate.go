//go:build ignore

// Generate writes the vectors beside it: one small .beton each, with one flaw
// or oddity. It builds the bytes by hand, from the tables of docs/format.md.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"os"
)

// The sound file that most flaws are put into: four fields, three samples, one
// page of 2 MiB.
const (
	samples = 3
	page    = 2 << 20
	desc    = 24          // first descriptor
	meta    = 24 + 4*1041 // first metadata row: label i8 at 0, data {ptr, size} at 8, image at 24, doc {ptr, size} at 37
	row     = 56          // bytes a row: 53, rounded up to 8
	pages   = page        // the first data page
	table   = 2 * page    // the allocation table, three entries a sample
	entries = 3 * samples // of 24 bytes
	size    = table + 24*entries
)

// file is bytes to put flaws into.
type file []byte

func (f file) u16(off int, v uint16) { binary.LittleEndian.PutUint16(f[off:], v) }
func (f file) u32(off int, v uint32) { binary.LittleEndian.PutUint32(f[off:], v) }
func (f file) u64(off int, v uint64) { binary.LittleEndian.PutUint64(f[off:], v) }
func (f file) at(off int) uint64     { return binary.LittleEndian.Uint64(f[off:]) }

func (f file) header(version, fields uint16, pageSize uint32, n, table uint64) {
	f.u16(0, version)
	f.u16(2, fields)
	f.u32(4, pageSize)
	f.u64(8, n)
	f.u64(16, table)
}

func (f file) descriptor(i int, id byte, name string) {
	f[desc+i*1041] = id
	copy(f[desc+i*1041+1:][:16], name)
}

// data, picture, doc and entry are where a sample's numbers lie.
func data(i int) int     { return meta + i*row + 8 }
func picture(i int) int  { return meta + i*row + 24 }
func doc(i int) int      { return meta + i*row + 37 }
func entry(i, k int) int { return table + 24*(3*i+k) }

// photo is a JPEG of 24x16 pixels.
func photo(i int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, 24, 16))
	for y := range 16 {
		for x := range 24 {
			m.Set(x, y, color.RGBA{uint8(x * 10), uint8(y*15 + i*20), uint8(x * y), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}

// sound is the file without a flaw.
func sound() file {
	f := make(file, size)
	f.header(2, 4, page, samples, table)
	f.descriptor(0, 1, "label")
	f.descriptor(1, 3, "data")
	f.descriptor(2, 2, "image")
	f.descriptor(3, 5, "doc")
	end := pages
	for i := range samples {
		f.u64(meta+i*row, uint64(10+i))
		for k, b := range [][]byte{[]byte(fmt.Sprintf("data of sample %d", i)), photo(i), []byte(fmt.Sprintf("{\"id\": %d}\x00", i))} {
			copy(f[end:], b)
			f.u64(entry(i, k), uint64(i))
			f.u64(entry(i, k)+8, uint64(end))
			f.u64(entry(i, k)+16, uint64(len(b)))
			switch k {
			case 0:
				f.u64(data(i), uint64(end))
				f.u64(data(i)+8, uint64(len(b)))
			case 1:
				f[picture(i)] = 0
				f.u16(picture(i)+1, 24)
				f.u16(picture(i)+3, 16)
				f.u64(picture(i)+5, uint64(end))
			case 2:
				f.u64(doc(i), uint64(end))
				f.u64(doc(i)+8, uint64(len(b)))
			}
			end += len(b)
		}
	}
	return f
}

// scalars is a file of one Int field and n samples, without pages.
func scalars(n int) file {
	f := make(file, 24+1041+8*n)
	f.header(2, 1, page, uint64(n), uint64(len(f)))
	f.descriptor(0, 1, "n")
	for i := range n {
		f.u64(24+1041+8*i, uint64(i))
	}
	return f
}

// array is a file of one array field with the given dimension and dtype text,
// and one sample of twelve bytes.
func array(dim uint64, text string) file {
	f := make(file, table+24)
	f.header(2, 1, page, 1, table)
	f.descriptor(0, 4, "a")
	f.u64(desc+17, dim)
	f.u64(desc+17+256, uint64(len(text)))
	copy(f[desc+17+264:], text)
	f.u64(24+1041, pages)
	f.u64(table+8, pages)
	f.u64(table+16, 12)
	return f
}

// section is one section of an extension block.
func section(tag string, flags uint32, payload []byte) []byte {
	b := append([]byte(tag), 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(b[4:], flags)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(payload)))
	b = append(b, payload...)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// extended puts a block before the table of f. change may touch the trailer
// before it gets its checksum.
func extended(f file, flags uint32, change func(trailer file), sections ...[]byte) file {
	at := int(f.at(16))
	head := append(file(nil), f[:at]...)
	for len(head)%8 != 0 {
		head = append(head, 0)
	}
	start := len(head)
	head = append(head, bytes.Join(sections, nil)...)
	t := make(file, 64)
	copy(t, "\x89btngx\r\n")
	t.u32(8, 1)
	t.u32(12, flags)
	t.u64(16, uint64(start))
	t.u64(24, uint64(len(head)-start))
	t.u32(32, crc(head[start:]))
	if change != nil {
		change(t)
	}
	t.u32(60, crc(t[:60]))
	head = append(head, t...)
	head.u64(16, uint64(len(head)))
	return append(head, f[at:]...)
}

// vector is one file and what a reader must say of it.
type vector struct {
	name, expect, sample, field, what, comment string
	bytes                                      file
}

func main() {
	for _, v := range vectors() {
		var b bytes.Buffer
		for _, kv := range [][2]string{{"expect", v.expect}, {"sample", v.sample}, {"field", v.field}, {"what", v.what}, {"comment", v.comment}} {
			if kv[1] != "" {
				fmt.Fprintf(&b, "%s: %s\n", kv[0], kv[1])
			}
		}
		b.WriteByte('\n')
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			log.Fatal(err)
		}
		z.Write(v.bytes)
		if err := z.Close(); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(v.name+".vector", b.Bytes(), 0o666); err != nil {
			log.Fatal(err)
		}
	}
}

func vectors() []vector {
	list := append(headers(), tables()...)
	list = append(list, values()...)
	return append(list, blocks()...)
}

// with is a sound file, changed.
func with(change func(f file)) file {
	f := sound()
	change(f)
	return f
}

func set64(off int, v uint64) file { return with(func(f file) { f.u64(off, v) }) }

func headers() []vector {
	n := scalars(5)
	ints := func(change func(f file)) file { f := append(file(nil), n...); change(f); return f }
	return []vector{
		{"sound", "sound", "", "", "", "no flaw", sound()},
		{"scalars", "sound", "", "", "", "no pages, no allocation table", n},
		{"zero_samples", "sound", "", "", "", "an empty dataset", scalars(0)},
		{"page_2g", "sound", "", "", "", "pages of 2 GiB are read", ints(func(f file) { f.u32(4, 2<<30) })},
		{"name_latin1", "sound", "", "", "", "a name that is not ASCII", ints(func(f file) { copy(f[25:], "gr\xfc\xdfe") })},
		{"name_16", "sound", "", "", "", "a name without a NUL", ints(func(f file) { copy(f[25:], "sixteen_chars_ab") })},
		{"names_alike", "sound", "", "", "", "two fields of one name", with(func(f file) { copy(f[desc+1041+1:], "label") })},
		{"empty", "invalid", "", "", "not a .beton", "no bytes", nil},
		{"text", "invalid", "", "", "not a .beton", "a text", file("This is a text of more than 24 bytes.\n")},
		{"header_cut", "invalid", "", "", "not a .beton", "23 bytes of a header", n[:23]},
		{"version_0", "invalid", "", "", "version 0", "format version 0", ints(func(f file) { f.u16(0, 0) })},
		{"version_1", "invalid", "", "", "version 1", "format version 1", ints(func(f file) { f.u16(0, 1) })},
		{"version_3", "unsupported", "", "", "version 3", "format version 3", ints(func(f file) { f.u16(0, 3) })},
		{"no_fields", "invalid", "", "", "no fields", "num_fields 0", ints(func(f file) { f.u16(2, 0) })},
		{"fields_many", "invalid", "", "", "inside the descriptors", "more descriptors than the file holds", ints(func(f file) { f.u16(2, 65535) })},
		{"page_0", "invalid", "", "", "page size 0,", "page size 0", ints(func(f file) { f.u32(4, 0) })},
		{"page_1m", "invalid", "", "", "page size 1048576,", "page size 1 MiB", ints(func(f file) { f.u32(4, 1<<20) })},
		{"page_3m", "invalid", "", "", "page size 3145728,", "page size 3 MiB", ints(func(f file) { f.u32(4, 3<<20) })},
		{"page_odd", "invalid", "", "", "page size 2097153,", "page size 2 MiB + 1", ints(func(f file) { f.u32(4, 2<<20+1) })},
		{"unfinished", "invalid", "", "", "unfinished", "alloc_table_ptr 0", ints(func(f file) { f.u64(16, 0) })},
		{"table_past_end", "invalid", "", "", "cut short", "alloc_table_ptr past the end", ints(func(f file) { f.u64(16, uint64(len(f)+1)) })},
		{"table_huge", "invalid", "", "", "cut short", "alloc_table_ptr 2^64-1", ints(func(f file) { f.u64(16, 1<<64-1) })},
		{"table_in_descriptors", "invalid", "", "", "inside the descriptors", "alloc_table_ptr 100", ints(func(f file) { f.u64(16, 100) })},
		{"table_in_metadata", "invalid", "", "", "do not end before", "alloc_table_ptr inside the metadata", ints(func(f file) { f.u64(16, 24+1041+39) })},
		{"samples_more", "invalid", "", "", "6 samples", "one sample more than rows", ints(func(f file) { f.u64(8, 6) })},
		{"samples_huge", "invalid", "", "", "samples", "2^64-1 samples", ints(func(f file) { f.u64(8, 1<<64-1) })},
		{"samples_wrap", "invalid", "", "", "samples", "2^61 samples: times 8 is 0 in 64 bits", ints(func(f file) { f.u64(8, 1<<61) })},
		{"type_7", "invalid", "", "n", "descriptor 0", "type id 7", ints(func(f file) { f[desc] = 7 })},
		{"custom", "unknown field", "", "n", "", "type id 255, arguments that name nothing", ints(func(f file) { f[desc] = 255 })},
		{"array", "sound", "", "", "", "an array field", array(3, `[["", "<f4"]]`)},
		{"array_structured", "unsupported", "", "a", "descriptor", "a structured dtype", array(1, `[["x", "<f4"], ["y", "<i8"]]`)},
		{"array_dtype", "invalid", "", "a", "descriptor 0", "a dtype that is none", array(3, `[["", "<q9"]]`)},
		{"array_text", "invalid", "", "a", "descriptor 0", "a dtype text that is no JSON", array(3, `[["", "<f4"`)},
		{"array_huge", "invalid", "", "a", "descriptor 0", "a shape of 2^64-1", array(1<<64-1, `[["", "<f4"]]`)},
		{"array_wrap", "invalid", "", "a", "descriptor 0", "a shape whose bytes wrap to 0", array(1<<62, `[["", "<f4"]]`)},
		{"array_text_length", "invalid", "", "a", "descriptor 0", "a text longer than the arguments", func() file {
			f := array(3, `[["", "<f4"]]`)
			f.u64(desc+17+256, 761)
			return f
		}()},
	}
}

func tables() []vector {
	return []vector{
		{"table_unsorted", "sound", "", "", "", "entries of samples 2, 0, 1", with(func(f file) {
			t := append(file(nil), f[table:]...)
			copy(f[table:], t[144:])
			copy(f[table+72:], t[:144])
		})},
		{"table_cut", "invalid", "", "", "cut short", "the last entry is gone", sound()[:size-24]},
		{"table_cut_1", "invalid", "", "", "cut short", "the last byte is gone", sound()[:size-1]},
		{"table_tail", "flawed", "", "", "5 bytes after the last whole entry", "five more bytes", append(sound(), 1, 2, 3, 4, 5)},
		{"table_more", "flawed", "", "", "10 entries, want 9", "an entry too many", append(sound(), sound()[table:table+24]...)},
		{"entry_sample", "flawed", "1", "data", "no entry", "an entry of a sample that there is not", set64(entry(1, 0), samples)},
		{"entry_sample_huge", "flawed", "1", "data", "no entry", "an entry of sample 2^64-1", set64(entry(1, 0), 1<<64-1)},
		{"entry_other_sample", "flawed", "1", "data", "no entry", "an entry of another sample", set64(entry(1, 0), 2)},
		{"entry_pointer", "flawed", "1", "data", "no entry", "an entry of another pointer", with(func(f file) { f.u64(entry(1, 0)+8, f.at(entry(1, 0)+8)+1) })},
		{"entry_size", "flawed", "1", "data", "16 bytes", "metadata and table have two sizes", set64(entry(1, 0)+16, 15)},
		{"entry_jpeg_size", "flawed", "2", "image", "", "a JPEG without its last bytes", with(func(f file) { f.u64(entry(2, 1)+16, f.at(entry(2, 1)+16)-3) })},
		{"entry_jpeg_size_0", "flawed", "2", "image", "", "a JPEG of no bytes", set64(entry(2, 1)+16, 0)},
		{"entry_jpeg_past_end", "flawed", "2", "image", "data pages", "a JPEG that ends in the allocation table", set64(entry(2, 1)+16, page)},
		{"entry_jpeg_negative", "flawed", "2", "image", "", "a JPEG of 2^64-1 bytes", set64(entry(2, 1)+16, 1<<64-1)},
	}
}

func values() []vector {
	at := func(i int) uint64 { return sound().at(data(i)) }
	// moved moves a sample's data to ptr, in metadata and table alike.
	moved := func(i int, ptr, n uint64) file {
		return with(func(f file) {
			f.u64(data(i), ptr)
			f.u64(data(i)+8, n)
			f.u64(entry(i, 0)+8, ptr)
			f.u64(entry(i, 0)+16, n)
		})
	}
	// longer has one page more.
	longer := func(f file) file {
		f = append(append(append(file(nil), f[:table]...), make(file, page)...), f[table:]...)
		f.u64(16, table+page)
		return f
	}
	return []vector{
		{"empty_value", "sound", "", "", "", "an empty value with the pointer of the next one", moved(1, sound().at(picture(1)+5), 0)},
		{"empty_first", "sound", "", "", "", "an empty value with a pointer before the pages", moved(0, 0, 0)},
		{"leftovers", "sound", "", "", "", "bytes in a page that nobody points at", with(func(f file) { copy(f[table-100:], "left over") })},
		{"page_gap", "sound", "", "", "", "a page that nobody uses", longer(sound())},
		{"pointer_0", "flawed", "1", "data", "data pages", "a pointer to the header", moved(1, 0, 16)},
		{"pointer_in_metadata", "flawed", "1", "data", "data pages", "a pointer to the metadata", moved(1, meta, 16)},
		{"pointer_before_pages", "flawed", "1", "data", "data pages", "a value that begins a byte before the pages", moved(1, pages-1, 16)},
		{"pointer_in_table", "flawed", "1", "data", "data pages", "a pointer to the allocation table", moved(1, table, 16)},
		{"pointer_past_end", "flawed", "1", "data", "data pages", "a pointer past the end", moved(1, 1<<40, 16)},
		{"pointer_huge", "flawed", "1", "data", "data pages", "a pointer that wraps with the size", moved(1, 1<<64-8, 16)},
		{"size_past_pages", "flawed", "1", "data", "data pages", "a value that ends in the allocation table", moved(1, table-15, 16)},
		{"size_huge", "flawed", "1", "data", "", "a size of 2^64-1", moved(1, at(1), 1<<64-1)},
		{"size_63", "flawed", "1", "data", "data pages", "a size of 2^63-1", moved(1, at(1), 1<<63-1)},
		{"overlap", "flawed", "1", "data", "overlap", "a value that overlaps another sample's", moved(1, at(0)+4, 16)},
		{"overlap_same", "flawed", "1", "data", "overlap", "two samples share their bytes", moved(1, at(0), 16)},
		{"two_pages", "flawed", "1", "data", "one page", "a sample in two pages", func() file {
			f := longer(moved(1, table+100, 16))
			return f
		}()},
		{"page_crossed", "flawed", "2", "", "cross the end of page 1", "a small sample across two pages", func() file {
			f := longer(sound())
			from := int(f.at(data(2)))
			n := size - table // enough for the sample
			n = int(f.at(doc(2))+f.at(doc(2)+8)) - from
			to := table - n/2
			copy(f[to:], append(file(nil), f[from:from+n]...))
			by := uint64(to - from)
			for k, off := range []int{data(2), picture(2) + 5, doc(2)} {
				f.u64(off, f.at(off)+by)
				e := entry(2, k) + page + 8
				f.u64(e, f.at(e)+by)
			}
			return f
		}()},
		{"image_mode", "flawed", "1", "image", "", "an image that is neither JPEG nor raw", with(func(f file) { f[picture(1)] = 2 })},
		{"image_raw", "flawed", "1", "image", "1152", "a JPEG that the metadata calls raw", with(func(f file) { f[picture(1)] = 1 })},
		{"image_width", "flawed", "1", "image", "", "a JPEG of another width", with(func(f file) { f.u16(picture(1)+1, 25) })},
		{"jpeg_start", "flawed", "1", "image", "", "a JPEG without its first byte", with(func(f file) { f[f.at(picture(1)+5)] = 0 })},
		{"jpeg_end", "flawed", "1", "image", "", "a JPEG without its end marker", with(func(f file) {
			end := f.at(picture(1)+5) + f.at(entry(1, 1)+16)
			f[end-2], f[end-1] = 0, 0
		})},
		{"json_no_nul", "flawed", "1", "doc", "", "JSON without its final NUL", with(func(f file) { f[f.at(doc(1))+f.at(doc(1)+8)-1] = ' ' })},
		{"json_text", "flawed", "1", "doc", "", "JSON that is none", with(func(f file) { f[f.at(doc(1))+1] = '{' })},
	}
}

func blocks() []vector {
	classes := section("CLAS", 0, []byte("\x02\x00\x00\x00\x03\x00\x00\x00cat\x03\x00\x00\x00dog"))
	names := func(offsets [4]uint64, text string) []byte {
		p := binary.LittleEndian.AppendUint64(nil, samples)
		for _, o := range offsets {
			p = binary.LittleEndian.AppendUint64(p, o)
		}
		return section("NAME", 0, append(p, text...))
	}
	good := names([4]uint64{0, 1, 2, 3}, "abc")
	whole := extended(sound(), 0, nil, classes, good, section("what", 0, []byte("ever")))
	changed := func(off int, x byte) file {
		f := append(file(nil), whole...)
		f[off] ^= x
		return f
	}
	end := int(whole.at(16))
	return []vector{
		{"block", "sound", "", "", "", "an extension block with classes, names and an unknown section", whole},
		{"block_scalars", "sound", "", "", "", "an extension block after metadata that end at an odd byte", extended(scalars(3), 0, nil, classes)},
		{"block_foreign", "flawed", "", "", "no extension block", "no extension block: the magic is another", changed(end-64, 1)},
		{"block_required_known", "sound", "", "", "", "a section that must be known, and is", extended(sound(), 1, nil, section("CLAS", 1, []byte{0, 0, 0, 0}))},
		{"block_required", "unsupported", "", "", "what", "a section that must be known, and is not", extended(sound(), 1, nil, section("what", 1, nil))},
		{"block_newer", "flawed", "", "", "version 2", "an extension block of version 2", extended(sound(), 0, func(t file) { t.u32(8, 2) }, classes)},
		{"block_newer_required", "unsupported", "", "", "version 2", "one of version 2 that must be known", extended(sound(), 1, func(t file) { t.u32(8, 2) }, classes)},
		{"block_trailer_sum", "flawed", "", "", "checksum", "the trailer's checksum is wrong", changed(end-1, 1)},
		{"block_sum", "flawed", "", "", "checksum", "a byte of a section changed", changed(table+24, 1)},
		{"block_offset", "flawed", "", "", "does not end at the trailer", "the trailer points elsewhere", extended(sound(), 0, func(t file) { t.u64(16, t.at(16)+8) }, classes)},
		{"block_offset_low", "flawed", "", "", "at or after", "the trailer points into the metadata", extended(sound(), 0, func(t file) { t.u64(16, meta) }, classes)},
		{"block_length", "flawed", "", "", "does not end at the trailer", "the trailer has another length", extended(sound(), 0, func(t file) { t.u64(24, 1<<63) }, classes)},
		{"section_length", "flawed", "", "", "are left", "a section longer than the block", extended(sound(), 0, nil, file("CLAS\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"))},
		{"section_header_cut", "flawed", "", "", "section header", "half a section header", extended(sound(), 0, nil, file("CLAS\x00\x00\x00\x00"))},
		{"classes_count", "flawed", "", "", "CLAS", "more classes than bytes", extended(sound(), 0, nil, section("CLAS", 0, []byte("\xff\xff\xff\xff")))},
		{"names_count", "flawed", "", "", "NAME", "names for another number of samples", extended(sound(), 0, nil, section("NAME", 0, make([]byte, 16)))},
		{"names_offset", "flawed", "1", "", "NAME", "a name that ends before it begins", extended(sound(), 0, nil, names([4]uint64{0, 2, 1, 3}, "abc"))},
		{"index_lost", "flawed", "0", "", "NIDX", "an index that finds no name", extended(sound(), 0, nil, good, section("NIDX", 0, make([]byte, 32)))},
		{"index_slots", "flawed", "", "", "NIDX", "an index of three slots", extended(sound(), 0, nil, good, section("NIDX", 0, make([]byte, 24)))},
	}
}
