package source_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

func TestParseSpec(t *testing.T) {
	image := fields.RGBImage{Mode: fields.ModeJPEG, Quality: 80}
	resized := image
	resized.Mode, resized.MaxResolution, resized.Quality, resized.Orient = fields.ModeRaw, 500, 95, true
	tests := []struct {
		text string
		want source.Spec
	}{
		{"label=int", source.Spec{Field: source.Field{Name: "label", Field: fields.Int{}}}},
		{"y=float:column=target y", source.Spec{Field: source.Field{Name: "y", Field: fields.Float{}}, Column: "target y"}},
		{"meta=json", source.Spec{Field: source.Field{Name: "meta", Field: fields.JSON{}}}},
		{"b=bytes:inline=true", source.Spec{Field: source.Field{Name: "b", Field: fields.Bytes{}}, Inline: source.InlineYes}},
		{"b=bytes:inline=base64,column=c", source.Spec{Field: source.Field{Name: "b", Field: fields.Bytes{}}, Inline: source.InlineBase64, Column: "c"}},
		{"image=rgb", source.Spec{Field: source.Field{Name: "image", Field: image}}},
		{"image=rgb:mode=raw,max_resolution=500,quality=95,orient=true", source.Spec{Field: source.Field{Name: "image", Field: resized}}},
		{"mask=image", source.Spec{Field: source.Field{Name: "mask", Field: fields.Image{}}}},
		{"depth=image:dtype=u2,compression=none,column=d", source.Spec{Field: source.Field{Name: "depth", Field: fields.Image{DType: array.Uint16, Compression: fields.CompressNone}}, Column: "d"}},
		{"rgba=image:channels=4,inline=base64", source.Spec{Field: source.Field{Name: "rgba", Field: fields.Image{Channels: 4}}, Inline: source.InlineBase64}},
		{"x=ndarray:dtype=<f4,shape=32x4", source.Spec{Field: source.Field{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{32, 4}}}}},
		{"x=ndarray:file=a=b:c.npy", source.Spec{Field: source.Field{Name: "x", Field: fields.NDArray{}}, File: "a=b:c.npy"}},
		{"b=bytes:inline=true,lz4=true", source.Spec{Field: source.Field{Name: "b", Field: fields.LZ4{Of: fields.Bytes{}}}, Inline: source.InlineYes}},
		{"j=json:lz4=true,column=c", source.Spec{Field: source.Field{Name: "j", Field: fields.LZ4{Of: fields.JSON{}}}, Column: "c"}},
		{"j=json:lz4=false", source.Spec{Field: source.Field{Name: "j", Field: fields.JSON{}}}},
		{"x=ndarray:dtype=<i4,shape=9,lz4=true", source.Spec{Field: source.Field{Name: "x", Field: fields.LZ4{Of: fields.NDArray{DType: array.Int32, Shape: []int{9}}}}}},
		{"x=torch:lz4=true,file=x.npy", source.Spec{Field: source.Field{Name: "x", Field: fields.LZ4{Of: fields.TorchTensor{}}}, File: "x.npy"}},
		{"t=torch:dtype=float32,shape=1", source.Spec{Field: source.Field{Name: "t", Field: fields.TorchTensor{DType: array.Float32, Shape: []int{1}}}}},
	}
	for _, tt := range tests {
		got, err := source.ParseSpec(tt.text, image)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v; want %+v", tt.text, got, err, tt.want)
		}
	}
}

func TestParseSpecErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "expected NAME=TYPE"},
		{"label", "expected NAME=TYPE"},
		{"=int", "expected NAME=TYPE"},
		{"x=", `type ""`},
		{"x=picture", `type "picture": expected one of rgb, image, int, float, bytes, json, ndarray, torch`},
		{"x=int:", `"": expected KEY=VALUE`},
		{"x=int:column", `"column": expected KEY=VALUE`},
		{"x=int:column=", `"column=": expected KEY=VALUE`},
		{"x=int:dtype=<f4", `key "dtype": this type has column, file`},
		{"x=int:column=a,column=b", "given twice"},
		{"x=bytes:lz4=yes", "lz4=yes: expected true or false"},
		{"x=int:lz4=true", `key "lz4": this type has column, file`},
		{"x=rgb:mode=png", "mode=png: expected"},
		{"x=rgb:quality=0", "quality=0: expected a whole number from 1 to 100"},
		{"x=rgb:quality=101", "from 1 to 100"},
		{"x=rgb:max_resolution=65536", "from 1 to 65535"},
		{"x=rgb:compress_probability=nan", "above 0 up to 1"},
		{"x=rgb:orient=yes", "expected true or false"},
		{"x=rgb:inline=true", "expected false or base64"},
		{"x=rgb:reencode=never", "expected auto or always"},
		{"x=image:channels=5", "from 1 to 4"},
		{"x=image:dtype=f4", "dtype=f4: expected u1 or u2"},
		{"x=image:dtype=>u2", "expected u1 or u2"},
		{"x=image:compression=best", "expected auto or none"},
		{"x=image:mode=raw", `key "mode": this type has channels, column, compression, dtype, file, inline`},
		{"x=ndarray:dtype=O", "not supported"},
		{"x=ndarray:dtype=f5", "dtype"},
		{"x=ndarray:shape=3x", "expected sizes"},
		{"x=ndarray:shape=-3", "expected sizes"},
		{"x=ndarray:shape=9223372036854775807x2", "larger than"},
		{"x=ndarray:shape=" + strings.Repeat("1x", 32) + "1", "33 dimensions; an array has at most 32"},
	}
	for _, tt := range tests {
		got, err := source.ParseSpec(tt.text, fields.RGBImage{})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !reflect.ValueOf(got).IsZero() {
			t.Errorf("%s: got %+v, %v; want an error with %q", tt.text, got, err, tt.want)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{
		"image=rgb:mode=jpg,max_resolution=500,quality=90", "x=ndarray:dtype=<f4,shape=32x4", "y=float", "label=int:column=c",
		"blob=bytes:inline=true", "meta=json", "t=torch:dtype=<M8[25s],shape=0x3", "a=b=c:d=e:f", "x=rgb:compress_probability=1e-1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := source.ParseSpec(text, fields.RGBImage{})
		if err != nil {
			return
		}
		if spec.Name == "" || !strings.HasPrefix(text, spec.Name+"=") || spec.Field.Field == nil {
			t.Fatalf("%q: got %+v", text, spec)
		}
		if a, ok := spec.Field.Field.(fields.NDArray); ok {
			if _, err := (array.Spec{DType: a.DType, Shape: a.Shape}).Count(); err != nil {
				t.Fatalf("%q: shape %v passed: %v", text, a.Shape, err)
			}
		}
	})
}
