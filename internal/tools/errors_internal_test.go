package tools

import "testing"

func TestPlaceIn(t *testing.T) {
	for _, test := range []struct {
		message, shard string
		offset         int64
	}{
		{`webdataset: /data/x-00.tar: "a/b.jpg" at byte 1024: unexpected EOF`, "/data/x-00.tar", 1024},
		{`s3://bucket/x-00.tar: sample "k" at byte 512: member .jpg at byte 1536, field "image": no`, "s3://bucket/x-00.tar", 1536},
		{`parquet: my data/a.parquet: row 3: column "image": no`, "my data/a.parquet", -1},
		{`mds: shard.00000.mds: sample 3: no`, "shard.00000.mds", -1},
		{`folder /photos: class folder "a.b" is not among the 1 known classes (x)`, "", -1},
		{`open /photos/none.jpg: no such file or directory`, "", -1},
		{`invalid JPEG format: short`, "", -1},
		{``, "", -1},
	} {
		shard, offset, ok := placeIn(test.message)
		if shard != test.shard || offset != test.offset || ok != (shard != "") {
			t.Errorf("%s: %q, %d, %v", test.message, shard, offset, ok)
		}
	}
}
