package ffcv_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"

	"errors"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// petFile writes a small file and returns its path.
func petFile() string {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	path := filepath.Join(dir, "pets.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "sound", Field: fields.Bytes{}},
		{Name: "label", Field: fields.Int{}},
	}, &ffcv.Options{Classes: []string{"cat", "dog"}})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	var samples iter.Seq2[ffcv.Sample, error] = func(yield func(ffcv.Sample, error) bool) {
		_ = yield(ffcv.Sample{Values: []any{[]byte("meow"), 0}, Key: "cat/1.wav"}, nil) &&
			yield(ffcv.Sample{Values: []any{[]byte("wau"), 1}, Key: "dog/1.wav"}, nil) &&
			yield(ffcv.Sample{Values: []any{[]byte("woof"), 1}, Key: "dog/2.wav"}, nil)
	}
	if err := w.WriteStream(context.Background(), samples, nil); err != nil {
		log.Fatal(err)
	}
	return path
}

func ExampleOpen() {
	path := petFile()
	defer os.RemoveAll(filepath.Dir(path))
	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	sound, label := f.FieldIndex("sound"), f.FieldIndex("label")
	classes := f.Classes()
	for i := range f.Len() {
		s, err := f.BytesValue(i, sound) // borrowed until Close
		if err != nil {
			log.Fatal(err)
		}
		l, err := f.Int(i, label)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", classes[l], s)
	}
	// Output:
	// cat: meow
	// dog: wau
	// dog: woof
}

func ExampleNew() {
	path := petFile()
	defer os.RemoveAll(filepath.Dir(path))
	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	// Any io.ReaderAt will do: bytes in memory, a file in an archive, a remote one.
	f, err := ffcv.New(ffcv.ReaderAtSource("pets.beton", bytes.NewReader(b), int64(len(b))), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, d := range f.Fields() {
		fmt.Printf("%s: %v, %d bytes at %d of a row of %d\n", d.Name, d.Type, d.Size, d.Offset, f.RowSize())
	}
	// Output:
	// sound: bytes, 16 bytes at 0 of a row of 24
	// label: int, 8 bytes at 16 of a row of 24
}

func ExampleFile_Find() {
	path := petFile()
	defer os.RemoveAll(filepath.Dir(path))
	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	i, ok, err := f.Find("dog/2.wav")
	fmt.Println(i, ok, err)
	key, err := f.Key(0)
	fmt.Println(key, err)
	// Output:
	// 2 true <nil>
	// cat/1.wav <nil>
}

func ExampleFile_Verify() {
	path := petFile()
	defer os.RemoveAll(filepath.Dir(path))
	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	b[ffcv.HeaderSize+2*ffcv.DescriptorSize+24] ^= 1 // the second sample's pointer
	f, err := ffcv.New(ffcv.ReaderAtSource("pets.beton", bytes.NewReader(b), int64(len(b))), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	f.Verify(context.Background(), func(e *ffcv.FormatError) {
		fmt.Println(e.Sample, e.Field, e.Err)
	})
	// Output:
	// -1  72 bytes with the checksum 0x3b27336d, want 0x270e2e69
	// 1 sound no entry for pointer 8388613 in the allocation table
	// -1  <nil>
}

// A file of the original FFCV has no checksums, nor checkpoints by which crops of
// its JPEGs need not decode all of them. It gets them without being written anew.
func ExampleSealInPlace() {
	dir, err := os.MkdirTemp("", "seal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "photos.beton")
	before := golden.Bytes("rgb_jpg")
	if err := os.WriteFile(path, before, 0o666); err != nil {
		log.Fatal(err)
	}

	stats, err := ffcv.SealInPlace(context.Background(), path, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Samples, "samples, grown:", stats.Bytes > int64(len(before)))
	_, err = ffcv.SealInPlace(context.Background(), path, nil)
	fmt.Println(errors.Is(err, ffcv.ErrSealed))
	// Output:
	// 40 samples, grown: true
	// true
}

// The machine stopped while a file was sealed in place: its header does not lead yet
// to what was appended.
func ExampleFinishSeal() {
	dir, err := os.MkdirTemp("", "seal")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "photos.beton")
	before := golden.Bytes("rgb_jpg")
	if err := os.WriteFile(path, before, 0o666); err != nil {
		log.Fatal(err)
	}
	if _, err := ffcv.SealInPlace(context.Background(), path, nil); err != nil {
		log.Fatal(err)
	}
	undo, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		log.Fatal(err)
	}
	_, err = undo.WriteAt(before[:ffcv.HeaderSize], 0)
	if err := errors.Join(err, undo.Close()); err != nil {
		log.Fatal(err)
	}

	outcome, err := ffcv.FinishSeal(context.Background(), path, nil)
	fmt.Println(outcome == ffcv.SealFinished, err)
	// Output: true <nil>
}

// What is left of a damaged file.
func ExampleExamine() {
	path := petFile()
	defer os.RemoveAll(filepath.Dir(path))
	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	i := bytes.Index(b, []byte("wau")) // the second sample's
	b[i] = 'm'
	if err := os.WriteFile(path, b, 0o666); err != nil {
		log.Fatal(err)
	}

	s, err := ffcv.Examine(context.Background(), path, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.File.Close()
	for _, d := range s.Damaged {
		fmt.Println("lost: sample", d.Sample)
	}
	sound, err := s.File.BytesValue(2, 0)
	fmt.Println(string(sound), err)
	// Output:
	// lost: sample 1
	// woof <nil>
}

// What a program finds out about values at some cost it keeps beside the file, for
// the next process: here each sound's first letter. It belongs to that file, as it
// is now.
func ExampleUpdateMarks() {
	path := petFile()
	defer os.RemoveAll(filepath.Dir(path))
	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	id, err := f.Identity()
	if err != nil {
		log.Fatal(err)
	}
	sound := f.FieldIndex("sound")
	err = ffcv.UpdateMarks(context.Background(), path+".marks", id, []int{sound}, func(i, field int) []byte {
		v, err := f.BytesValue(i, field)
		if err != nil {
			return nil // not known
		}
		return ffcv.AppendMarksEntry(nil, v, v[:1])
	})
	if err != nil {
		log.Fatal(err)
	}

	m, err := ffcv.OpenMarks(path+".marks", id)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	for i := range f.Len() {
		v, err := f.BytesValue(i, sound)
		if err != nil {
			log.Fatal(err)
		}
		marks, known := m.Marks(i, sound, v)
		fmt.Printf("%s %v\n", marks, known)
	}
	// Output:
	// m true
	// w true
	// w true
}
