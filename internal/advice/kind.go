package advice

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/internal/regular"
)

// beginnings are what files of a kind begin with, or have at an offset. %s in do
// is the file, and %b its name with the extension .beton.
var beginnings = []struct {
	at       int
	bytes    string
	what, do string
}{
	{0, "\xff\xd8\xff", "a JPEG", photo},
	{0, "\x89PNG\r\n", "a PNG", photo},
	{0, "GIF8", "a GIF", photo},
	{8, "WEBP", "a WebP picture", photo},
	{4, "ftyphei", "a HEIC picture", "HEIC is not read; convert it to JPEG first, such as by 'heif-convert'"},
	{4, "ftypmif1", "a HEIC picture", "HEIC is not read; convert it to JPEG first, such as by 'heif-convert'"},
	{4, "ftypavif", "an AVIF picture", "AVIF is not read; convert it to JPEG first"},
	{257, "ustar", "a tar archive", "%s is a tar archive; if it is one of WebDataset's shards: 'ffcvwrite webdataset %s -o %b'; else unpack it, and 'ffcvwrite folder' packs its folders"},
	{0, "PK\x03\x04", "a zip archive", "%s is a zip archive (or .npz, .pt): unpack it, and 'ffcvwrite folder' packs its folders; 'ffcvconvert --list %s' shows arrays"},
	{0, "\x1f\x8b", "compressed by gzip", "%s is compressed by gzip: 'gunzip %s' unpacks it; .tar.gz of WebDataset as it is: 'ffcvwrite webdataset %s -o %b'"},
	{0, "\x28\xb5\x2f\xfd", "compressed by zstd", "%s is compressed by zstd: 'zstd -d %s' unpacks it"},
	{0, "PAR1", "a Parquet file", "%s is a Parquet file: 'ffcvwrite parquet %s -o %b'"},
	{0, "\x89HDF\r\n", "an HDF5 file", "%s is an HDF5 file: 'ffcvwrite hdf5 %s -o %b'"},
	{0, "\x93NUMPY", "a NumPy array", "%s is a NumPy array: 'ffcvwrite arrays %s -o %b'"},
	{0, "ARROW1", "an Arrow file", "%s is an Arrow file: 'ffcvconvert %s %b'"},
	{0, "version https://git-lfs", "a pointer of Git LFS", "%s is a pointer of Git LFS, not the file itself: 'git lfs pull' fetches it"},
	{0, "<!DOCTYPE", "a web page", web},
	{0, "<html", "a web page", web},
	{0, "<?xml", "an XML text", web},
}

const (
	photo = "%s is a picture; 'ffcvwrite folder DIR -o train.beton' packs a folder with a folder of pictures for each class"
	web   = "%s is a web page: a server's answer to a download that failed; fetch the file again"
)

// Kind says what a file or folder that was taken for something else looks like,
// and what to do with it; "" where it can't tell.
func Kind(path string) (what, do string) {
	info, err := os.Stat(path)
	if err != nil {
		return "", ""
	}
	fill := func(text string) string {
		base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)) + ".beton"
		return strings.NewReplacer("%s", path, "%b", base).Replace(text)
	}
	if info.IsDir() {
		what, do = folder(path)
		return what, fill(do)
	}
	f, err := regular.Open(path)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	if n == 0 {
		return "empty", fill("%s is empty: a copy or a download of it was stopped before it began; fetch it again")
	}
	for _, b := range beginnings {
		if len(head) >= b.at+len(b.bytes) && string(head[b.at:b.at+len(b.bytes)]) == b.bytes {
			return b.what, fill(b.do)
		}
	}
	switch ext := strings.ToLower(filepath.Ext(path)); {
	case ext == ".beton":
		return "a .beton", fill("%s is a .beton: 'ffcvwrite beton %s -o new-%b' packs its samples anew, 'ffcv info %s' shows it")
	case ext == ".tfrecord" || strings.Contains(filepath.Base(path), ".tfrecord"):
		return "a TFRecord file", fill("%s is a TFRecord file: 'ffcvwrite tfrecord %s -o %b'")
	case ext == ".csv" || ext == ".tsv" || ext == ".jsonl":
		return "a table", fill("%s is a table: 'ffcvwrite table %s -o %b --field NAME=TYPE'")
	case ext == ".json":
		return "JSON", fill("%s is JSON; of COCO's annotations: 'ffcvwrite coco %s IMAGES -o %b'")
	case utf8.Valid(head[:max(0, n-utf8.UTFMax)]) && !bytes.Contains(head, []byte{0}):
		return "a text", fill("%s is a text; a .beton begins with its version, 2, in two bytes")
	}
	return "", fill("a .beton is what 'ffcvwrite' or FFCV's DatasetWriter makes; 'file %s' may tell what this is")
}

// folder says the same of a folder, by what is in it.
func folder(path string) (what, do string) {
	files := map[string]int{}
	folders := 0
	for _, name := range list(path) {
		if info, err := os.Stat(filepath.Join(path, name)); err == nil && info.IsDir() {
			folders++
		} else {
			files[strings.ToLower(filepath.Ext(name))]++
		}
	}
	pictures := files[".jpg"] + files[".jpeg"] + files[".png"] + files[".webp"]
	_, mds := os.Stat(filepath.Join(path, "index.json"))
	switch {
	case mds == nil:
		return "a dataset of MosaicML Streaming", "%s is a folder with an index.json: 'ffcvwrite mds %s -o %b'"
	case files[".beton"] > 0:
		return "a folder with .beton files", "%s is a folder; of the files in it: '%s/*.beton'"
	case files[".tar"] > 0:
		return "a folder with tar shards", "%s is a folder with tar archives: 'ffcvwrite webdataset \"%s/*.tar\" -o %b'"
	case files[".parquet"] > 0:
		return "a folder with Parquet files", "%s is a folder with Parquet files: 'ffcvwrite parquet %s -o %b'"
	case folders > 0:
		return "a folder with folders", fmt.Sprintf("%%s is a folder with %d folders; if they are classes of photographs: 'ffcvwrite folder %%s -o %%b'", folders)
	case pictures > 0:
		return "a folder with pictures", "%s is a folder with pictures; 'ffcvwrite folder' packs one that has a folder for each class, with its pictures inside"
	}
	return "a folder", "%s is a folder; expected a file"
}
