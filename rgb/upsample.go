package rgb

// Chroma upsampling and colour conversion as in libjpeg-turbo's jdsample.c and
// jdcolor.c: what Pillow, OpenCV and FFCV show.

// plane is the samples of one component: w x h of them, rows stride bytes
// apart, one for hs x vs pixels.
type plane struct {
	pix    []byte
	stride int
	w, h   int
	hs, vs int
}

// row gives row y of a plane at the picture's size: a slice of the plane
// itself, or buf filled. Planes halved across or down are interpolated by a
// triangle filter (3/4 the nearer sample, 1/4 the farther); others, and ones of
// two columns or fewer that are halved across, are repeated.
func (c *plane) row(u *upsampler, buf []byte, y int) []byte {
	near := y / c.vs
	line := func(i int) []byte { return c.pix[min(max(i, 0), c.h-1)*c.stride:][:c.w] }
	far := near + 1
	if y%c.vs == 0 {
		far = near - 1
	}
	switch smooth := c.w > 2; {
	case c.hs == 1 && c.vs == 1:
		return line(y)
	case c.hs == 1 && c.vs == 2:
		down(buf, line(near), line(far), 1+y&1)
	case c.hs == 2 && c.vs == 1 && smooth:
		u.across(buf, line(near))
	case c.hs == 2 && c.vs == 2 && smooth:
		u.acrossDown(buf, line(near), line(far))
	case c.hs == 1:
		return line(near)
	default:
		for x, v := range line(near) {
			for i := range c.hs {
				buf[c.hs*x+i] = v
			}
		}
	}
	return buf
}

// down interpolates between two rows. The bias alternates between rows so that
// rounding has no drift.
func down(out, near, far []byte, bias int) {
	for x, v := range near {
		out[x] = byte((3*int(v) + int(far[x]) + bias) >> 2)
	}
}

// upsampler has what the assembly needs beside the rows.
type upsampler struct {
	plain bool     // no assembly, for tests
	sums  []uint16 // a row of sums, with its first and last repeated
}

// minVector is the fewest samples that the assembly takes.
const minVector = 16

func (u *upsampler) fast(n int) bool {
	if !haveAVX2 || u.plain || n < minVector {
		return false
	}
	u.sums = grow(u.sums, n+2)
	return true
}

// double makes a row of 2*n samples from n sums.
func (u *upsampler) double(out []byte, n int, even, odd uint16, shift uint64) {
	u.sums[0], u.sums[n+1] = u.sums[1], u.sums[n]
	doubleRow(&out[:2*n][0], &u.sums[0], n, even, odd, shift)
}

func (u *upsampler) across(out, in []byte) {
	if n := len(in); u.fast(n) {
		widenRow(&u.sums[1], &in[0], n)
		u.double(out, n, 1, 2, 2)
		return
	}
	across(out, in)
}

func (u *upsampler) acrossDown(out, near, far []byte) {
	if n := len(near); u.fast(n) {
		sumRows(&u.sums[1], &near[0], &far[:n][0], n)
		u.double(out, n, 8, 7, 4)
		return
	}
	acrossDown(out, near, far)
}

func (u *upsampler) yccRow(out, luma, cb, cr []byte) {
	if n := len(out) / 3; haveAVX2 && !u.plain && n >= minVector {
		colourRow(&out[0], &luma[:n][0], &cb[:n][0], &cr[:n][0], n)
		return
	}
	yccRow(out, luma, cb, cr)
}

// across doubles a row of three samples or more.
func across(out, in []byte) {
	n := len(in)
	out = out[:2*n]
	out[0] = in[0]
	out[1] = byte((3*int(in[0]) + int(in[1]) + 2) >> 2)
	for x := 1; x < n-1; x++ {
		v := 3 * int(in[x])
		out[2*x] = byte((v + int(in[x-1]) + 1) >> 2)
		out[2*x+1] = byte((v + int(in[x+1]) + 2) >> 2)
	}
	out[2*n-2] = byte((3*int(in[n-1]) + int(in[n-2]) + 1) >> 2)
	out[2*n-1] = in[n-1]
}

// acrossDown doubles a row of three samples or more, between two rows.
func acrossDown(out, near, far []byte) {
	n := len(near)
	out, far = out[:2*n], far[:n]
	this := 3*int(near[0]) + int(far[0])
	next := 3*int(near[1]) + int(far[1])
	out[0] = byte((4*this + 8) >> 4)
	out[1] = byte((3*this + next + 7) >> 4)
	for x := 1; x < n-1; x++ {
		last := this
		this = next
		next = 3*int(near[x+1]) + int(far[x+1])
		out[2*x] = byte((3*this + last + 8) >> 4)
		out[2*x+1] = byte((3*this + next + 7) >> 4)
	}
	out[2*n-2] = byte((3*next + this + 8) >> 4)
	out[2*n-1] = byte((4*next + 7) >> 4)
}

// The colour conversion's products, 16 bits up, by sample value.
var crR, cbB, crG, cbG = colourTables()

func colourTables() (crR, cbB, crG, cbG [256]int32) {
	const half = 1 << 15
	for i := range int32(256) {
		x := i - 128
		crR[i] = (91881*x + half) >> 16  // 1.40200
		cbB[i] = (116130*x + half) >> 16 // 1.77200
		crG[i] = -46802 * x              // 0.71414
		cbG[i] = -22554*x + half         // 0.34414
	}
	return
}

// yccRow converts a row of YCbCr, len(out)/3 pixels.
func yccRow(out, luma, cb, cr []byte) {
	n := len(out) / 3
	luma, cb, cr = luma[:n], cb[:n], cr[:n]
	for x, v := range luma {
		y, b, r := int32(v), cb[x], cr[x]
		o := out[3*x:][:3]
		o[0] = clamp(y + crR[r])
		o[1] = clamp(y + (cbG[b]+crG[r])>>16)
		o[2] = clamp(y + cbB[b])
	}
}

func clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}

// mergeRow interleaves three planes.
func mergeRow(out, r, g, b []byte) {
	for x := range len(out) / 3 {
		out[3*x], out[3*x+1], out[3*x+2] = r[x], g[x], b[x]
	}
}

// grayRow repeats one plane three times.
func grayRow(out, gray []byte) {
	for x := range len(out) / 3 {
		out[3*x], out[3*x+1], out[3*x+2] = gray[x], gray[x], gray[x]
	}
}
