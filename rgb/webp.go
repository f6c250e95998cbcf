package rgb

import (
	"bytes"
	"image"

	"golang.org/x/image/webp"
)

// decodeWebP decodes a still WebP. Lossy ones arrive as video-range YCbCr
// 4:2:0 and are made RGB as libwebp does it; alpha is dropped.
func decodeWebP(dst *Image, data []byte) error {
	img, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return &InvalidError{Format: WebP, Offset: -1, Err: err}
	}
	switch m := img.(type) {
	case *image.YCbCr:
		webpToRGB(dst, m)
	case *image.NYCbCrA:
		webpToRGB(dst, &m.YCbCr)
	case *image.NRGBA:
		dropAlpha(dst, m.Pix, m.Stride, m.Rect)
	default:
		return unsupported(WebP, "pixels of type %T", img)
	}
	return nil
}

// webpToRGB is libwebp's "fancy" upsampling: a pixel's colour is 9/16, 3/16,
// 3/16 and 1/16 of the four samples around it, rounded in libwebp's order.
func webpToRGB(dst *Image, m *image.YCbCr) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	dst.setSize(w, h)
	cw, ch := (w+1)/2, (h+1)/2
	for y := range h {
		near := y / 2
		far := near + 1 - 2*(1-y&1)
		far = min(max(far, 0), ch-1)
		nu, fu := m.Cb[near*m.CStride:][:cw], m.Cb[far*m.CStride:][:cw]
		nv, fv := m.Cr[near*m.CStride:][:cw], m.Cr[far*m.CStride:][:cw]
		luma, out := m.Y[y*m.YStride:][:w], dst.row(y)
		for x := range luma {
			i := x / 2
			j := min(max(i+1-2*(1-x&1), 0), cw-1)
			videoToRGB(out[3*x:3*x+3], int(luma[x]), webpSample(nu, fu, i, j), webpSample(nv, fv, i, j))
		}
	}
}

// webpSample interpolates one colour sample; i is the nearer column, j the
// farther (the same at an edge).
func webpSample(near, far []byte, i, j int) int {
	a, b, c, d := int(near[i]), int(near[j]), int(far[i]), int(far[j])
	if i == j {
		return (3*a + c + 2) >> 2
	}
	return (a + (a+b+c+d+8+2*(b+c))>>3) >> 1
}

// videoToRGB converts one pixel of BT.601 video range, in libwebp's fixed point.
func videoToRGB(out []byte, y, u, v int) {
	y = y * 19077 >> 8
	out[0] = videoClip(y + v*26149>>8 - 14234)
	out[1] = videoClip(y - u*6419>>8 - v*13320>>8 + 8708)
	out[2] = videoClip(y + u*33050>>8 - 17685)
}

func videoClip(v int) byte { return byte(min(max(v>>6, 0), 255)) }
