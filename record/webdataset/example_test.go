package webdataset_test

import (
	"bytes"
	"fmt"

	"github.com/betongo/betongo/record/webdataset"
)

func Example() {
	var shard bytes.Buffer
	w := webdataset.NewWriter(&shard)
	for i, name := range []string{"cat/0001", "dog/0002"} {
		err := w.Write(name, []webdataset.Member{{Ext: "cls", Data: fmt.Append(nil, i)}, {Ext: "seg.png", Data: []byte("…")}})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}
	err := webdataset.Scan(bytes.NewReader(shard.Bytes()), int64(shard.Len()), webdataset.Visitor{
		Sample: func(s *webdataset.Sample) error {
			for _, e := range s.Entries {
				fmt.Printf("%s .%s: %d bytes at %d\n", s.Key, e.Ext, e.Size, e.Off)
			}
			return nil
		},
	})
	fmt.Println(err)
	// Output:
	// cat/0001 .cls: 1 bytes at 512
	// cat/0001 .seg.png: 3 bytes at 1536
	// dog/0002 .cls: 1 bytes at 2560
	// dog/0002 .seg.png: 3 bytes at 3584
	// <nil>
}
