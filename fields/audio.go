package fields

import (
	"encoding/binary"
	"fmt"
)

// AudioEncoding says how an AudioClip's bytes are coded. The numbers are part
// of the wire format.
type AudioEncoding uint8

// The encodings.
const (
	AudioPCM  AudioEncoding = 0 // signed 16-bit samples, little-endian, channels interleaved
	AudioMP3  AudioEncoding = 1
	AudioFLAC AudioEncoding = 2
)

// String returns the encoding's name.
func (e AudioEncoding) String() string {
	switch e {
	case AudioPCM:
		return "pcm_s16le"
	case AudioMP3:
		return "mp3"
	case AudioFLAC:
		return "flac"
	}
	return fmt.Sprintf("AudioEncoding(%d)", uint8(e))
}

// AudioClip is a piece of sound.
type AudioClip struct {
	SampleRate uint32 // samples a second of each channel, at least 1
	Channels   uint8  // at least 1
	DurationMS uint32 // milliseconds, as whoever made the clip says
	Encoding   AudioEncoding
	Data       []byte
}

// Audio is a custom field for sound. It is written as any program would write
// its own: a struct in the metadata, one region, and a name in the arguments
// by which readers find it. Values are AudioClip; Decode returns one that
// borrows the data. The sound itself is not decoded; Encode only looks whether
// it begins as its encoding does.
type Audio struct{}

// The metadata is a C struct of 32 bytes, aligned to 8:
//
//	offset  type  meaning
//	 0      u4    sample rate
//	 4      u1    channels
//	 8      u4    duration in milliseconds
//	16      u8    data pointer
//	24      u1    encoding
//
// The bytes between are zero. The data's length is in the allocation table.
const (
	audioName = "audio"
	audioSize = 32
	audioPtr  = 16
)

var audioLayout = Layout{Size: audioSize, Align: 8, Pointers: []int{audioPtr}}

func newAudio(*Args) (Field, error) { return Audio{}, nil }

// TypeID returns TypeCustom.
func (Audio) TypeID() TypeID { return TypeCustom }

// Args returns the field's name, by which readers find it.
func (Audio) Args() (Args, error) { return PackArgs(map[string]any{nameKey: audioName}) }

// Layout is an aligned struct of 32 bytes.
func (Audio) Layout() Layout { return audioLayout }

// Encode stores a clip.
func (Audio) Encode(meta []byte, value any, at At) error {
	c, ok := value.(AudioClip)
	if !ok {
		return wrongType("audio", value, "fields.AudioClip")
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("%w: %w", err, ErrValue)
	}
	ptr, buf, err := at.Alloc(len(c.Data))
	if err != nil {
		return err
	}
	copy(buf, c.Data)
	binary.LittleEndian.PutUint32(meta, c.SampleRate)
	meta[4] = c.Channels
	binary.LittleEndian.PutUint32(meta[8:], c.DurationMS)
	binary.LittleEndian.PutUint64(meta[audioPtr:], ptr)
	meta[24] = uint8(c.Encoding)
	return nil
}

// check tells what makes a clip none. No bytes are an empty clip in every
// encoding.
func (c *AudioClip) check() error {
	switch {
	case c.SampleRate == 0:
		return fmt.Errorf("audio: a sample rate of 0")
	case c.Channels == 0:
		return fmt.Errorf("audio: no channels")
	case c.Encoding > AudioFLAC:
		return fmt.Errorf("audio: no encoding %d", uint8(c.Encoding))
	case len(c.Data) == 0:
		return nil
	case c.Encoding == AudioPCM && len(c.Data)%(2*int(c.Channels)) != 0:
		return fmt.Errorf("audio: %d bytes of 16-bit samples are not a multiple of %d channels", len(c.Data), c.Channels)
	case c.Encoding == AudioMP3 && !isMP3(c.Data):
		return fmt.Errorf("audio: the data begin neither with an ID3 tag nor with an MP3 frame")
	case c.Encoding == AudioFLAC && !hasPrefix(c.Data, "fLaC") && !hasPrefix(c.Data, "ID3"):
		return fmt.Errorf("audio: the data don't begin with fLaC")
	}
	return nil
}

func hasPrefix(b []byte, s string) bool { return len(b) >= len(s) && string(b[:len(s)]) == s }

// isMP3 looks for an ID3v2 tag or the header of a layer III frame: eleven set
// bits, then version, layer, bit rate and sampling rate, none of them reserved.
func isMP3(b []byte) bool {
	if hasPrefix(b, "ID3") {
		return true
	}
	return len(b) >= 4 && b[0] == 0xff && b[1]&0xe0 == 0xe0 &&
		b[1]>>3&3 != 1 && b[1]>>1&3 == 1 && b[2]>>4 != 15 && b[2]>>2&3 != 3
}

// Regions returns the data's place, of a size that the allocation table knows.
func (Audio) Regions(dst []Region, meta []byte) ([]Region, error) {
	if _, err := audioMeta(meta); err != nil {
		return nil, err
	}
	return append(dst, Region{Ptr: binary.LittleEndian.Uint64(meta[audioPtr:]), Size: UnknownSize}), nil
}

// Decode returns the AudioClip, its data borrowed.
func (Audio) Decode(meta []byte, data [][]byte) (any, error) {
	c, err := audioMeta(meta)
	if err != nil {
		return nil, err
	}
	if c.Data, err = region("audio", data, UnknownSize); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// audioMeta reads the metadata and holds its numbers to what Encode writes.
func audioMeta(meta []byte) (AudioClip, error) {
	if err := checkMeta("audio", meta, audioSize); err != nil {
		return AudioClip{}, err
	}
	c := AudioClip{
		SampleRate: binary.LittleEndian.Uint32(meta),
		Channels:   meta[4],
		DurationMS: binary.LittleEndian.Uint32(meta[8:]),
		Encoding:   AudioEncoding(meta[24]),
	}
	if err := c.check(); err != nil { // without its data
		return AudioClip{}, fmt.Errorf("metadata: %w", err)
	}
	return c, nil
}
