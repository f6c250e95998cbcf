package rgb

import (
	"fmt"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// encodeScratch is the encoder's memory.
type encodeScratch = jpeg.Encoder

// EncodeJPEG is the package's [EncodeJPEG] with this scratch memory.
func (s *Scratch) EncodeJPEG(dst []byte, img Image, quality int) ([]byte, error) {
	if err := img.check(); err != nil {
		return dst, err
	}
	out, err := s.enc.Append(dst, img.Pix, img.Width, img.Height, quality)
	if err != nil {
		return dst, fmt.Errorf("rgb: encode: %w", err)
	}
	return out, nil
}

// AppendEncodedMarks appends the checkpoints of the JPEG that EncodeJPEG of this
// Scratch made last: those of [AppendMarks], without a walk through the JPEG.
// Before the first it appends nothing.
func (s *Scratch) AppendEncodedMarks(dst []byte) []byte { return s.enc.AppendMarks(dst) }
