package tfrecord_test

import (
	"fmt"
	"log"
	"os"

	"github.com/betongo/betongo/record/tfrecord"
)

// The labels of all records of a file, without a look at their pictures.
func ExampleParse() {
	f, err := os.Open("../../testdata/records/tfrecord/plain.tfrecord")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	err = tfrecord.Scan(f, info.Size(), func(off, n int64) error {
		record := make([]byte, tfrecord.HeaderSize+n+tfrecord.FooterSize)
		if _, err := f.ReadAt(record, off); err != nil {
			return err
		}
		b, err := tfrecord.Payload(record) // with its checksums compared
		if err != nil {
			return err
		}
		e, err := tfrecord.Parse(b, func(name string) bool { return name == "image/class/label" })
		if err != nil {
			return err
		}
		fmt.Print(e.Feature("image/class/label").Ints)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: [0][1][2][0][1][2][0][1][2][0]
}
