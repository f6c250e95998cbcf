package rgb

import (
	"bytes"
	"encoding/binary"
)

// JPEG markers, the byte after 0xFF.
const (
	markTEM   = 0x01
	markSOF0  = 0xC0 // to 0xCF, less DHT, JPG, DAC
	markSOF2  = 0xC2
	markDHT   = 0xC4
	markJPG   = 0xC8
	markDAC   = 0xCC
	markRST0  = 0xD0 // to 0xD7
	markRST7  = 0xD7
	markSOI   = 0xD8
	markEOI   = 0xD9
	markSOS   = 0xDA
	markDRI   = 0xDD
	markDHP   = 0xDE
	markAPP0  = 0xE0
	markAPP1  = 0xE1
	markAPP14 = 0xEE
)

// JPEGInfo is what a JPEG's markers tell.
type JPEGInfo struct {
	Width, Height int
	Components    int
	Precision     int // bits a sample: 8 or 12; 2 to 16 when lossless
	Progressive   bool
	Arithmetic    bool // arithmetic instead of Huffman coding
	Lossless      bool
	CMYK          bool // four components
	JFIF          bool // has the JFIF segment: three components are YCbCr
	Adobe         int  // colour transform of the Adobe segment: 0 none, 1 YCbCr, 2 YCCK; -1 without the segment
	Orientation   int  // EXIF 1 to 8, 0 when there is none
	Size          int  // bytes from SOI to EOI; data after them is not part of the picture

	comp [4]component
	sof  int // offset of the frame header's marker
	sos  int // offset of the first scan's marker
}

// component is one colour channel of a frame: its id and sampling factors.
type component struct{ id, h, v byte }

// Storable is nil when the stream is of the kind that this package and any
// libjpeg-turbo, the one in FFCV too, decode to RGB: 8 bits, Huffman coded,
// lossy, one or three components, chroma sampled as often as luma or a half or
// (across) a quarter. Otherwise it is the *UnsupportedError that tells why.
func (i *JPEGInfo) Storable() error {
	switch {
	case i.Lossless:
		return unsupported(JPEG, "lossless")
	case i.Arithmetic:
		return unsupported(JPEG, "arithmetic coding")
	case i.Precision != 8:
		return unsupported(JPEG, "%d bits a sample", i.Precision)
	case i.Components != 1 && i.Components != 3:
		return unsupported(JPEG, "%d components", i.Components)
	}
	luma, cb, cr := i.comp[0], i.comp[1], i.comp[2]
	if i.Components == 1 {
		cb, cr = luma, luma
	}
	odd := luma.h == 3 || luma.v > 2 || cb.h == 3
	if odd || cb.h != cr.h || cb.v != cr.v || luma.h%cb.h != 0 || luma.v%cb.v != 0 {
		return unsupported(JPEG, "sampling factors %dx%d, %dx%d, %dx%d", luma.h, luma.v, cb.h, cb.v, cr.h, cr.v)
	}
	return nil
}

// ScanJPEG walks all markers of a JPEG from SOI to EOI: segments lie inside
// the data, the frame header is sane, every component has a scan, entropy-coded
// data hold no stray marker and enough bits for the picture's size, and an EOI
// ends it. The coded values themselves are not decoded. Bytes after EOI are
// accepted, as every decoder does; Size tells where the picture ends.
//
// It takes about 10 us for a photo of 57 kB and doesn't allocate. Errors are
// *InvalidError, or *UnsupportedError for hierarchical JPEG, for a height that
// only a DNL marker tells, and for progressive scans without number, which would
// make a small file take minutes.
func ScanJPEG(data []byte) (JPEGInfo, error) {
	s := jpegScan{data: data}
	if err := s.walk(false); err != nil {
		return JPEGInfo{}, err
	}
	return s.info, nil
}

// jpegScan is the state of one walk.
type jpegScan struct {
	data     []byte
	info     JPEGInfo
	restart  bool // restart markers are in use
	scanned  int  // components, as bits, whose DC coefficients a scan holds
	needBits int  // bits that the entropy-coded data seen can't do without
	entropy  int  // bytes of entropy-coded data seen
	visits   int  // blocks that the scans go over, of a progressive picture
}

// A scan of a progressive picture takes a few bytes at least, and whoever decodes
// it goes over every block. An encoder that refines each coefficient of its own
// makes some hundreds of scans, common ones about ten.
const (
	maxScans  = 256     // as many times may every block be gone over
	maxVisits = 1 << 28 // some seconds; ten scans of MaxPixels are 40 million to 126
)

// walk reads segments until EOI, or, with headOnly, until the first scan.
func (s *jpegScan) walk(headOnly bool) error {
	s.info.Adobe = -1
	if len(s.data) < 2 || s.data[0] != 0xFF || s.data[1] != markSOI {
		return invalid(JPEG, 0, "no SOI marker")
	}
	off := 2
	for {
		at := s.nextMarker(off)
		if at < 0 {
			return invalid(JPEG, len(s.data), "the data end without an EOI marker: truncated")
		}
		marker := s.data[at]
		off = at + 1
		switch {
		case marker == markEOI:
			return s.finish(at, off)
		case marker == markSOI:
			return invalid(JPEG, at-1, "a second SOI marker inside the picture")
		case marker >= markRST0 && marker <= markRST7, marker == markTEM:
			continue // no segment follows; some encoders end a scan with a restart
		}
		if len(s.data)-off < 2 {
			return invalid(JPEG, at-1, "segment FF%02X has no length: truncated", marker)
		}
		n := int(binary.BigEndian.Uint16(s.data[off:]))
		if n < 2 || n > len(s.data)-off {
			return invalid(JPEG, at-1, "segment FF%02X of %d bytes, %d are left", marker, n, len(s.data)-off)
		}
		if marker == markSOS && headOnly && s.info.sof != 0 {
			return nil
		}
		end, err := s.segment(marker, at-1, s.data[off+2:off+n])
		if err != nil {
			return err
		}
		off = max(end, off+n)
	}
}

// nextMarker gives the offset of the next marker's second byte at or after off,
// -1 when there is none. Between segments only fill bytes should lie, but
// libjpeg skips whatever else it finds there and so does this.
func (s *jpegScan) nextMarker(off int) int {
	for off < len(s.data) {
		i := bytes.IndexByte(s.data[off:], 0xFF)
		if i < 0 {
			return -1
		}
		off += i + 1
		for off < len(s.data) && s.data[off] == 0xFF {
			off++
		}
		if off < len(s.data) && s.data[off] != 0 {
			return off
		}
	}
	return -1
}

// finish checks at EOI what only the whole tells.
func (s *jpegScan) finish(at, end int) error {
	if s.info.sof == 0 {
		return invalid(JPEG, at-1, "EOI before a frame header")
	}
	if missing := (1<<s.info.Components - 1) &^ s.scanned; missing != 0 {
		return invalid(JPEG, at-1, "EOI before a scan of every component: truncated")
	}
	if s.needBits > 8*s.entropy {
		return invalid(JPEG, at-1, "%d bytes of coded data are too few for %dx%d", s.entropy, s.info.Width, s.info.Height)
	}
	s.info.Size = end
	return nil
}

// segment reads one segment's payload; at is the offset of its marker. For a
// scan it returns where the entropy-coded data end, otherwise 0.
func (s *jpegScan) segment(marker byte, at int, p []byte) (int, error) {
	switch {
	case marker == markSOS:
		return s.scan(at, p)
	case marker == markDHP:
		return 0, unsupported(JPEG, "hierarchical coding")
	case marker >= markSOF0 && marker <= 0xCF && marker != markDHT && marker != markJPG && marker != markDAC:
		return 0, s.frame(marker, at, p)
	case marker == markDRI:
		if len(p) != 2 {
			return 0, invalid(JPEG, at, "restart interval of %d bytes, want 2", len(p))
		}
		s.restart = p[0]|p[1] != 0
	case marker == markAPP0:
		s.info.JFIF = s.info.JFIF || bytes.HasPrefix(p, []byte("JFIF\x00"))
	case marker == markAPP1:
		if s.info.Orientation == 0 && bytes.HasPrefix(p, []byte("Exif\x00\x00")) {
			s.info.Orientation = orientation(p[6:])
		}
	case marker == markAPP14:
		if len(p) >= 12 && bytes.HasPrefix(p, []byte("Adobe")) {
			s.info.Adobe = int(p[11])
		}
	}
	return 0, nil
}

// frame reads a frame header (SOF).
func (s *jpegScan) frame(marker byte, at int, p []byte) error {
	i := &s.info
	kind := marker - markSOF0 // 0-3 Huffman, 5-7 hierarchical, 9-11 arithmetic, 13-15 both
	switch {
	case kind&4 != 0:
		return unsupported(JPEG, "hierarchical coding")
	case i.sof != 0:
		return invalid(JPEG, at, "a second frame header, the first is at byte %d", i.sof)
	case len(p) < 6 || p[5] == 0 || len(p) != 6+3*int(p[5]):
		return invalid(JPEG, at, "frame header of %d bytes doesn't fit its number of components", len(p))
	case p[5] > 4:
		return unsupported(JPEG, "%d components", p[5])
	}
	i.sof = at
	i.Progressive, i.Lossless, i.Arithmetic = kind&3 == 2, kind&3 == 3, kind >= 8
	i.Precision = int(p[0])
	i.Height = int(binary.BigEndian.Uint16(p[1:]))
	i.Width = int(binary.BigEndian.Uint16(p[3:]))
	i.Components = int(p[5])
	i.CMYK = i.Components == 4
	if ok := i.Precision == 8 || i.Precision == 12 && kind != 0 || i.Lossless && i.Precision >= 2 && i.Precision <= 16; !ok {
		return invalid(JPEG, at, "%d bits a sample", i.Precision)
	}
	if i.Width == 0 {
		return invalid(JPEG, at, "width is 0")
	}
	if i.Height == 0 {
		return unsupported(JPEG, "height is 0 in the frame header (told later, by a DNL marker)")
	}
	for c := range i.Components {
		q := p[6+3*c:]
		k := component{id: q[0], h: q[1] >> 4, v: q[1] & 15}
		if k.h < 1 || k.h > 4 || k.v < 1 || k.v > 4 {
			return invalid(JPEG, at, "component %d has sampling factors %dx%d, want 1 to 4", c, k.h, k.v)
		}
		for _, o := range i.comp[:c] {
			if o.id == k.id {
				return invalid(JPEG, at, "two components have the id %d", k.id)
			}
		}
		i.comp[c] = k
	}
	return nil
}

// scan reads a scan header (SOS) and steps over the entropy-coded data after
// it; it returns where they end.
func (s *jpegScan) scan(at int, p []byte) (int, error) {
	i := &s.info
	if i.sof == 0 {
		return 0, invalid(JPEG, at, "a scan before the frame header")
	}
	if len(p) < 1 || p[0] < 1 || p[0] > 4 || len(p) != 4+2*int(p[0]) {
		return 0, invalid(JPEG, at, "scan header of %d bytes doesn't fit its number of components", len(p))
	}
	if i.sos == 0 {
		i.sos = at
	}
	n := int(p[0])
	first, high := p[1+2*n], p[3+2*n]>>4 // first coefficient, earlier passes' precision
	for c := range n {
		k := i.componentByID(p[1+2*c])
		if k < 0 {
			return 0, invalid(JPEG, at, "a scan of component id %d, which the frame header doesn't have", p[1+2*c])
		}
		if i.Lossless || first == 0 && high == 0 {
			s.scanned |= 1 << k
			if !i.Lossless && !i.Arithmetic {
				// Every block's DC value takes a Huffman code, one bit or more.
				s.needBits += i.blocks(k)
			}
		}
		if i.Progressive {
			s.visits += i.blocks(k)
		}
	}
	if all := i.allBlocks(); s.visits > maxVisits || s.visits > maxScans*all {
		return 0, unsupported(JPEG, "progressive scans that go %d times over %d blocks", s.visits/all, all)
	}
	start := at + 4 + len(p)
	end, err := s.skipEntropy(start)
	s.entropy += end - start
	return end, err
}

// skipEntropy steps over entropy-coded data to the next marker, or the data's
// end, and checks that restarts come in turn.
func (s *jpegScan) skipEntropy(off int) (int, error) {
	data, turn := s.data, byte(0)
	for {
		i := bytes.IndexByte(data[off:], 0xFF)
		if i < 0 || off+i+1 >= len(data) {
			return len(data), nil
		}
		off += i + 1
		switch m := data[off]; {
		case m == 0: // a stuffed byte: the value 0xFF
			off++
		case m == 0xFF: // fill: look at it again
		case m >= markRST0 && m <= markRST7:
			if !s.restart {
				return 0, invalid(JPEG, off-1, "a restart marker in a scan without restarts")
			}
			if m != markRST0+turn {
				return 0, invalid(JPEG, off-1, "restart marker %d, want %d", m-markRST0, turn)
			}
			turn = (turn + 1) & 7
			off++
		default:
			return off - 1, nil
		}
	}
}

func (i *JPEGInfo) componentByID(id byte) int {
	for c := range i.Components {
		if i.comp[c].id == id {
			return c
		}
	}
	return -1
}

// allBlocks is the number of 8x8 blocks of all components.
func (i *JPEGInfo) allBlocks() (n int) {
	for c := range i.Components {
		n += i.blocks(c)
	}
	return n
}

// blocks is the number of 8x8 blocks that component c has at least.
func (i *JPEGInfo) blocks(c int) int {
	hMax, vMax := 1, 1
	for _, k := range i.comp[:i.Components] {
		hMax, vMax = max(hMax, int(k.h)), max(vMax, int(k.v))
	}
	k := i.comp[c]
	w := (i.Width*int(k.h) + hMax - 1) / hMax
	h := (i.Height*int(k.v) + vMax - 1) / vMax
	return ((w + 7) / 8) * ((h + 7) / 8)
}
