package mds_test

import (
	"bytes"
	"fmt"

	"github.com/betongo/betongo/record/mds"
)

func Example() {
	var file bytes.Buffer
	w, err := mds.NewWriter(&file, []mds.Column{{Name: "name", Encoding: "str"}, {Name: "label", Encoding: "int"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, name := range []string{"cat", "dog"} {
		label, err := mds.AppendValue(nil, "int", i)
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := w.Write([][]byte{[]byte(name), label}); err != nil {
			fmt.Println(err)
			return
		}
	}
	info, err := w.Close()
	if err != nil {
		fmt.Println(err)
		return
	}
	info.Name = "shard.00000.mds"
	index, err := mds.Index([]mds.ShardInfo{info})
	if err != nil {
		fmt.Println(err)
		return
	}
	shards, err := mds.ParseIndex(index)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &shards[0]
	for i := range s.Samples {
		sample, err := s.Sample(file.Bytes(), i)
		if err != nil {
			fmt.Println(err)
			return
		}
		values, err := s.Values(nil, sample)
		if err != nil {
			fmt.Println(err)
			return
		}
		for k, b := range values {
			v, err := s.Encodings[k].Decode(b)
			fmt.Println(s.Columns[k].Name, v, err)
		}
	}
	// Output:
	// name cat <nil>
	// label 0 <nil>
	// name dog <nil>
	// label 1 <nil>
}
