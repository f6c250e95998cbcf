package jpeg

// SetPlain leaves out the assembly.
func (d *Decoder) SetPlain(plain bool) { d.plain = plain }

// HaveSIMD says whether there is assembly to leave out.
func HaveSIMD() bool { return haveSIMD }

// SetPlain leaves out the assembly.
func (e *Encoder) SetPlain(plain bool) { e.plain = plain }
