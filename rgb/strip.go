package rgb

import (
	"bytes"
	"encoding/binary"
)

const markCOM = 0xFE

// StripJPEG appends a JPEG without its metadata to dst and returns the extended
// slice: EXIF with its orientation, GPS place and preview, XMP, IPTC, colour
// profiles, previews in JFIF segments, comments, whatever lies between segments
// and behind EOI. What decoding needs stays as it is, the coded data byte for
// byte, so every decoder gives the same pixels. A colour profile goes too: no
// loader of training data applies one, and the numbers stay.
//
// Errors are [ScanJPEG]'s; dst is then returned as it was.
func StripJPEG(dst, data []byte) ([]byte, error) {
	if _, err := ScanJPEG(data); err != nil {
		return dst, err
	}
	out := append(dst, 0xFF, markSOI)
	s := jpegScan{data: data} // walks along to tell where scans end
	for off := 2; ; {
		at := s.nextMarker(off)
		if at < 0 {
			return dst, invalid(JPEG, len(data), "the data end without an EOI marker: truncated")
		}
		marker := data[at]
		off = at + 1
		switch {
		case marker == markEOI:
			return append(out, 0xFF, markEOI), nil
		case marker >= markRST0 && marker <= markRST7, marker == markTEM:
			continue // outside of a scan they say nothing
		}
		end := off + int(binary.BigEndian.Uint16(data[off:]))
		segment := data[off+2 : end]
		coded, err := s.segment(marker, at-1, segment)
		if err != nil {
			return dst, err
		}
		if kept, ok := keptSegment(marker, segment); ok {
			out = append(out, 0xFF, marker)
			out = binary.BigEndian.AppendUint16(out, uint16(len(kept)+2))
			out = append(out, kept...)
			if coded > end {
				out = append(out, data[end:coded]...)
			}
		}
		off = max(end, coded)
	}
}

// jfifHead is a JFIF segment's size without a preview, whose size is told by the
// last two bytes; adobeHead is an Adobe segment's, and decoders read no more.
const (
	jfifHead  = 14
	adobeHead = 12
)

// keptSegment gives what is kept of a segment: all but application data and
// comments, and of those the two that say what the components are.
func keptSegment(marker byte, p []byte) (kept []byte, ok bool) {
	switch {
	case marker == markAPP0 && bytes.HasPrefix(p, []byte("JFIF\x00")):
		if len(p) < jfifHead || p[12] == 0 && p[13] == 0 {
			return p[:min(len(p), jfifHead)], true
		}
		return append(p[:12:12], 0, 0), true
	case marker == markAPP14 && bytes.HasPrefix(p, []byte("Adobe")) && len(p) >= adobeHead:
		return p[:adobeHead], true
	case marker >= markAPP0 && marker <= markAPP0+15, marker == markCOM:
		return nil, false
	}
	return p, true
}
