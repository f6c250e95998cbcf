// Package ffcv reads and writes .beton files, FFCV's dataset format (version
// 2), byte-compatible both ways. docs/format.md has the bytes.
//
//	f, err := ffcv.Open("train.beton", nil)
//	if err != nil {
//		return err
//	}
//	defer f.Close()
//	label, err := f.Int(17, f.FieldIndex("label"))
//	image, err := f.Image(17, f.FieldIndex("image")) // JPEG bytes or raw pixels, borrowed
//
// # Lifetime
//
// What a File of Open returns points into the file's map: it is read-only, and
// valid until Close. What outlives the File is copied by the caller. Over a
// Source that cannot lend its bytes (New with a ReaderAtSource), values are
// fresh memory, the caller's own.
//
// # Damage
//
// Open takes the same time for any number of samples: it checks the header,
// the fields and that the tables lie inside the file. Every access checks the
// pointers and sizes that it follows. Verify walks everything. If another
// process cuts a mapped file short, touching the lost bytes is a fault, which
// ends the program unless the goroutine has set debug.SetPanicOnFault; Verify
// does, and reports the fault as an error.
package ffcv
