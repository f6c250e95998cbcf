package view

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
)

var _ = register((*Server).soundRoutes)

func (s *Server) soundRoutes() []route {
	return []route{{"GET", "/api/sample/{i}/audio", s.showSound}}
}

// sniffed is how many bytes tell what others are: two frames of an MP3 fit.
const sniffed = 4 << 10

// soundType returns the media type of sound that begins with head; "" for
// anything else.
func soundType(head []byte) string {
	starts := func(at int, magic string) bool {
		return len(head) >= at+len(magic) && string(head[at:][:len(magic)]) == magic
	}
	switch {
	case starts(0, "RIFF") && starts(8, "WAVE"):
		return "audio/wav"
	case starts(0, "OggS"):
		return "audio/ogg"
	case starts(0, "fLaC"):
		return "audio/flac"
	case starts(0, "ID3"), twoFrames(head):
		return "audio/mpeg"
	}
	return ""
}

// twoFrames says whether b begins with a frame of an MP3 that another follows:
// one header alone is too little to tell it from other bytes.
func twoFrames(b []byte) bool {
	n := frameSize(b)
	return n > 0 && n < len(b) && frameSize(b[n:]) > 0
}

// frameSize is the length of an MP3's frame, from its header; 0 for none.
func frameSize(b []byte) int {
	if len(b) < 4 || b[0] != 0xff || b[1]&0xe0 != 0xe0 || b[1]>>1&3 != 1 {
		return 0
	}
	version, rate, frequency := b[1]>>3&3, int(b[2]>>4), int(b[2]>>2&3)
	if version == 1 || rate == 0 || rate == 15 || frequency == 3 {
		return 0
	}
	kilobits := [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}[rate]
	hertz, factor := []int{44100, 48000, 32000}[frequency], 144
	if version != 3 { // MPEG 2 and 2.5
		kilobits = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}[rate]
		hertz, factor = hertz/2, 72
		if version == 0 {
			hertz /= 2
		}
	}
	return factor*kilobits*1000/hertz + int(b[2]>>1&1)
}

// showSound answers with a sample's sound, of which a browser asks for parts.
func (s *Server) showSound(w http.ResponseWriter, r *http.Request) error {
	i, err := s.sampleNamed(r)
	if err != nil {
		return err
	}
	k, err := s.fieldNamed(r, "sound", kindAudio, kindBytes)
	if err != nil {
		return err
	}
	v, err := s.find(i, k)
	if err != nil {
		return err
	}
	c, done, err := s.reader(r.Context(), v)
	if err != nil {
		return err
	}
	defer done()
	kind := ""
	if s.kindOf(k) == kindAudio {
		kind, c.before = wrapped(v.meta, c.size)
	}
	if kind == "" {
		head, err := v.head(sniffed)
		if err != nil {
			return err
		}
		if kind = soundType(head); kind == "" {
			return errorf(http.StatusUnprocessableEntity, "field %q of sample %d is no sound that a browser plays", s.names[k], i)
		}
	}
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", time.Time{}, c)
	return nil
}

// wrapped returns what goes before an audio field's bytes so that a browser plays
// them, and the whole's type; "" where the bytes have to tell.
func wrapped(meta []byte, size int64) (kind string, before []byte) {
	if len(meta) < 25 || fields.AudioEncoding(meta[24]) != fields.AudioPCM || size > math.MaxUint32-36 {
		return "", nil
	}
	return "audio/wav", wavHeader(binary.LittleEndian.Uint32(meta), uint16(meta[4]), uint32(size))
}

// wavHeader is what a WAV file has before its samples of 16 bits.
func wavHeader(rate uint32, channels uint16, size uint32) []byte {
	b := append(make([]byte, 0, 44), "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, 36+size)
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1) // PCM
	b = binary.LittleEndian.AppendUint16(b, channels)
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, rate*2*uint32(channels))
	b = binary.LittleEndian.AppendUint16(b, 2*channels)
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	return binary.LittleEndian.AppendUint32(b, size)
}

// content reads a value's bytes piece by piece, with some of its own before them.
// It is an io.ReadSeeker for one goroutine.
type content struct {
	v      *value
	whole  []byte // all bytes where they were unpacked; nil: they are read
	before []byte
	size   int64 // without those before
	at     int64
}

// piece is how much is read of a value at a time.
const piece = 256 << 10

// reader reads a value's content. What has to be unpacked for that is in memory until
// done is called; the rest comes piece by piece.
func (s *Server) reader(ctx context.Context, v *value) (c *content, done func(), err error) {
	n, err := v.plainSize()
	if err != nil {
		return nil, nil, err
	}
	c = &content{v: v, size: n}
	if _, packed := v.packed(); !packed && len(v.regions) > 0 {
		return c, func() {}, nil
	}
	if done, err = s.room(ctx, v); err != nil {
		return nil, nil, err
	}
	ready := false
	defer func() {
		if !ready { // it failed, perhaps by a fault of memory
			done()
		}
	}()
	c.whole, err = v.content()
	ready = err == nil
	return c, done, err
}

// Read is io.Reader. A memory fault is an error here: who reads may be in the
// middle of an answer.
func (c *content) Read(p []byte) (n int, err error) {
	all := c.size + int64(len(c.before))
	if c.at >= all {
		return 0, io.EOF
	}
	if c.at < int64(len(c.before)) {
		n = copy(p, c.before[c.at:])
		c.at += int64(n)
		return n, nil
	}
	off := c.at - int64(len(c.before))
	want := min(int64(len(p)), piece, c.size-off)
	err = mmap.Guard(func() error {
		b := c.whole
		if b == nil {
			var err error
			if b, err = c.v.bytes(off, want); err != nil {
				return err
			}
		} else {
			b = b[off:]
		}
		n = copy(p[:want], b)
		return nil
	})
	if err == nil && n == 0 && want > 0 {
		err = io.ErrUnexpectedEOF
	}
	c.at += int64(n)
	return n, err
}

// Seek is io.Seeker.
func (c *content) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += c.at
	case io.SeekEnd:
		off += c.size + int64(len(c.before))
	}
	if off < 0 {
		return 0, fmt.Errorf("seek to %d", off)
	}
	c.at = off
	return off, nil
}
