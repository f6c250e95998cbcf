package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// column is one field of a file with its values.
type column struct {
	name  string
	field fields.Field
	value func(i int) any // of sample i
	// expect is the field's part of the manifest for samples in this order.
	expect func(order []int) map[string]any
}

// collect makes a list of one expectation a sample.
func collect[T any](order []int, of func(i int) T) []T {
	list := make([]T, len(order))
	for row, i := range order {
		list[row] = of(i)
	}
	return list
}

// index is an int column that says which sample it is.
func index() column { return ints("index", func(i int) int64 { return int64(i) }) }

func ints(name string, of func(i int) int64) column {
	return column{name, fields.Int{}, func(i int) any { return of(i) }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": 1, "kind": "int", "values": collect(order, of)}
	}}
}

func floats(name string) column {
	of := func(i int) float64 {
		return []float64{0, math.Copysign(0, -1), 1.5, -1e300, 5e-324, math.Inf(1), math.Inf(-1), math.Pi}[i%8] * float64(i/8+1)
	}
	return column{name, fields.Float{}, func(i int) any { return of(i) }, func(order []int) map[string]any {
		bits := collect(order, func(i int) string { return fmt.Sprintf("0x%016x", math.Float64bits(of(i))) })
		return map[string]any{"name": name, "type_id": 0, "kind": "float", "bits": bits}
	}}
}

// blobs are byte strings of the given sizes.
func blobs(name string, size func(i int) int) column {
	of := func(i int) []byte { return golden.Input(i+len(name), size(i)) }
	return column{name, fields.Bytes{}, func(i int) any { return of(i) }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": 3, "kind": "bytes", "size": collect(order, size),
			"sha256": collect(order, func(i int) string { return golden.Sum(of(i)) })}
	}}
}

func documents(name string) column {
	of := func(i int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"i": %d, "big": 123456789012345678901234567890, "list": [1.5, null, true], "text": "\u00e9\u0000"}`, i))
	}
	return column{name, fields.JSON{}, func(i int) any { return of(i) }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": 5, "kind": "json", "text": collect(order, func(i int) string { return string(of(i)) })}
	}}
}

// articles are documents of some length, whose text repeats itself.
func articles(name string) column {
	of := func(i int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"i": %d, "text": %q}`, i, strings.Repeat("a sentence, and ", i%50)))
	}
	return column{name, fields.JSON{}, func(i int) any { return of(i) }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": 5, "kind": "json", "text": collect(order, func(i int) string { return string(of(i)) })}
	}}
}

// arrays are arrays of a dtype and shape, or tensors.
func arrays(name string, dtype string, tensor bool, shape ...int) column {
	t, err := array.ParseDType(dtype)
	if err != nil {
		panic(err) // a case written wrong
	}
	spec := array.Spec{DType: t, Shape: shape}
	n, err := spec.Bytes()
	if err != nil {
		panic(err)
	}
	of := func(i int) []byte {
		b := golden.Input(i+len(name), n)
		if t.Kind() == 'b' {
			for j := range b {
				b[j] &= 1
			}
		}
		return b
	}
	var field fields.Field = fields.NDArray{DType: t, Shape: shape}
	id := 4
	if tensor {
		field, id = fields.TorchTensor{DType: t, Shape: shape}, 6
	}
	return column{name, field, func(i int) any { return array.Array{Spec: spec, Data: of(i)} }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": id, "kind": "ndarray", "dtype": dtype, "shape": shape,
			"sha256": collect(order, func(i int) string { return golden.Sum(of(i)) })}
	}}
}

// packed are the values of a column in an LZ4 field.
func packed(c column) column {
	told := c.expect
	c.field = fields.LZ4{Of: c.field}
	c.expect = func(order []int) map[string]any {
		m := told(order)
		m["type_id"], m["lz4"] = fields.TypeCustom, true
		return m
	}
	return c
}

// texts are bytes that shrink, but for those of every fourth sample.
func texts(name string, size func(i int) int) column {
	of := func(i int) []byte {
		b := golden.Input(i+len(name), size(i))
		if i%4 > 0 {
			for j := range b {
				b[j] &= byte(1<<(i%4) - 1)
			}
		}
		return b
	}
	return column{name, fields.Bytes{}, func(i int) any { return of(i) }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": 3, "kind": "bytes",
			"size":   collect(order, func(i int) int { return size(i) }),
			"sha256": collect(order, func(i int) string { return golden.Sum(of(i)) })}
	}}
}

// counts are arrays of small numbers.
func counts(name, dtype string, tensor bool, shape ...int) column {
	c := arrays(name, dtype, tensor, shape...)
	wild := c.value
	of := func(i int) array.Array {
		a := wild(i).(array.Array)
		for j := range a.Data {
			if i%4 > 0 && j%a.DType.ItemSize() > 0 {
				a.Data[j] = 0
			}
		}
		return a
	}
	told := c.expect
	c.value = func(i int) any { return of(i) }
	c.expect = func(order []int) map[string]any {
		m := told(order)
		m["sha256"] = collect(order, func(i int) string { return golden.Sum(of(i).Data) })
		return m
	}
	return c
}

// customs are custom fields of one scalar.
func customs(name, dtype string, size int) column {
	of := func(i int) []byte { return append([]byte{byte(i)}, make([]byte, size-1)...) }
	return column{name, fields.Opaque{DType: dtype}, func(i int) any { return of(i) }, func(order []int) map[string]any {
		return map[string]any{"name": name, "type_id": 255, "kind": "custom", "metadata_dtype": dtype,
			"values": collect(order, func(i int) int { return int(byte(i)) })}
	}}
}

// picture is a smooth image that JPEG keeps well.
func picture(i, w, h int) rgb.Image {
	img := rgb.Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	for y := range h {
		for x := range w {
			for c := range 3 {
				img.Pix[3*(y*w+x)+c] = byte(64 + (x*(1+i%5)+y*(1+i%3))/4%128 + c*10)
			}
		}
	}
	return img
}

// images are pictures stored as the field says.
func images(name string, field fields.RGBImage, size func(i int) (w, h int)) column {
	of := func(i int) rgb.Image {
		w, h := size(i)
		return picture(i, w, h)
	}
	return column{name, field, func(i int) any { return of(i) }, func(order []int) map[string]any {
		m := map[string]any{"name": name, "type_id": 2, "kind": "rgb",
			"width":  collect(order, func(i int) int { return of(i).Width }),
			"height": collect(order, func(i int) int { return of(i).Height })}
		switch field.Mode {
		case fields.ModeRaw:
			m["mode"] = collect(order, func(int) int { return 1 })
			m["data_sha256"] = collect(order, func(i int) string { return golden.Sum(of(i).Pix) })
			m["pixels_sha256"] = m["data_sha256"]
		case fields.ModeJPEG:
			m["mode"] = collect(order, func(int) int { return 0 })
		case fields.ModeSmart:
			m["mode"] = collect(order, func(i int) int {
				if len(of(i).Pix) > field.SmartThreshold {
					return 0
				}
				return 1
			})
		}
		return m
	}}
}

// photographs are the files, stored as they are.
func photographs(name string, paths []string) column {
	return column{name, fields.RGBImage{}, func(i int) any { return fields.Path(paths[i]) }, func(order []int) map[string]any {
		type info struct {
			sum  string
			w, h int
		}
		all := collect(order, func(i int) info {
			b, err := os.ReadFile(paths[i])
			if err != nil {
				panic(err) // it was read a moment ago
			}
			_, w, h, _, err := rgb.ScanImage(b)
			if err != nil {
				panic(err)
			}
			return info{golden.Sum(b), w, h}
		})
		m := map[string]any{"name": name, "type_id": 2, "kind": "rgb"}
		rows := make([]int, len(all))
		for i := range rows {
			rows[i] = i
		}
		m["mode"] = make([]int, len(all))
		m["width"] = collect(rows, func(i int) int { return all[i].w })
		m["height"] = collect(rows, func(i int) int { return all[i].h })
		m["data_sha256"] = collect(rows, func(i int) string { return all[i].sum })
		return m
	}}
}
