package transform

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// ToCHW moves the channels to the front: (height, width, channels) becomes
// (channels, height, width), contiguous (FFCV's ToTorchImage with
// channels_last=False).
type ToCHW struct{}

// Bind takes arrays of three dimensions of any type. It draws nothing.
func (ToCHW) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	if len(in.Shape) != 3 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ToCHW takes (height, width, channels), got %v", in)
	}
	if channelsFirst(in) {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ToCHW takes (height, width, channels), got %v: its channels are in front already", in)
	}
	n, err := in.Bytes()
	if err != nil {
		return array.Spec{}, nil, false, fmt.Errorf("transform: ToCHW: %w", err)
	}
	channels, item := in.Shape[2], in.DType.ItemSize()
	out := array.Spec{DType: in.DType, Shape: []int{channels, in.Shape[0], in.Shape[1]}}
	return out, func(dst, src []byte, _ *rand.Rand) error {
		if err := sized("ToCHW", dst, src, n, n); err != nil {
			return err
		}
		switch {
		case n == 0:
		case channels == 3 && item == 1:
			split1(dst, src)
		case channels == 3 && item == 2:
			split2(dst, src)
		case channels == 3 && item == 4:
			split4(dst, src)
		default:
			split(dst, src, channels, item)
		}
		return nil
	}, false, nil
}

// split1 takes apart three channels of one byte.
func split1(dst, src []byte) {
	n := len(src) / 3
	a, b, c := dst[:n], dst[n:2*n], dst[2*n:3*n]
	for i := range a {
		p := src[3*i:][:3]
		a[i], b[i], c[i] = p[0], p[1], p[2]
	}
}

// split2 takes apart three channels of two bytes.
func split2(dst, src []byte) {
	n := len(src) / 3
	a, b, c := dst[:n], dst[n:2*n], dst[2*n:3*n]
	ne := binary.NativeEndian
	for len(src) >= 6 && len(a) >= 2 && len(b) >= 2 && len(c) >= 2 {
		ne.PutUint16(a, ne.Uint16(src))
		ne.PutUint16(b, ne.Uint16(src[2:]))
		ne.PutUint16(c, ne.Uint16(src[4:]))
		src, a, b, c = src[6:], a[2:], b[2:], c[2:]
	}
}

// split4 takes apart three channels of four bytes.
func split4(dst, src []byte) {
	n := len(src) / 3
	a, b, c := dst[:n], dst[n:2*n], dst[2*n:3*n]
	ne := binary.NativeEndian
	for len(src) >= 12 && len(a) >= 4 && len(b) >= 4 && len(c) >= 4 {
		ne.PutUint32(a, ne.Uint32(src))
		ne.PutUint32(b, ne.Uint32(src[4:]))
		ne.PutUint32(c, ne.Uint32(src[8:]))
		src, a, b, c = src[12:], a[4:], b[4:], c[4:]
	}
}

// split takes apart any number of channels of any size.
func split(dst, src []byte, channels, item int) {
	plane := len(src) / channels
	for c := range channels {
		out, at := dst[c*plane:(c+1)*plane], c*item
		for ; len(out) > 0; out = out[item:] {
			copy(out[:item], src[at:])
			at += channels * item
		}
	}
}
