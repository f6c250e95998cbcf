package remote_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
)

// served is a web server with one object.
func served() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("far away, but near"))
	}))
}

// Some bytes of an object, wherever it lies: "s3://bucket/key" would do as well.
func ExampleOpen() {
	ctx := context.Background()
	web := served()
	defer web.Close()

	e, err := remote.Stat(ctx, web.URL+"/words.txt", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.Size, "bytes, version", e.Version)

	o, err := remote.Open(ctx, web.URL+"/words.txt", &remote.Options{Retries: 3})
	if err != nil {
		log.Fatal(err)
	}
	defer o.Close()
	b := make([]byte, 4)
	if _, err := o.ReadAt(b, 14); err != nil && err != io.EOF {
		log.Fatal(err)
	}
	fmt.Println(string(b))
	// Output:
	// 18 bytes, version "v1"
	// near
}

func ExampleReadFile() {
	web := served()
	defer web.Close()
	b, err := remote.ReadFile(context.Background(), web.URL+"/words.txt", nil)
	fmt.Println(string(b), err)
	// Output: far away, but near <nil>
}

// What was read stays on the local disk, for this process and others.
func ExampleOpenCache() {
	dir, err := os.MkdirTemp("", "cache")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	web := served()
	defer web.Close()

	cache, err := remote.OpenCache(dir, &remote.CacheOptions{Quota: 1 << 30})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	for range 2 {
		o, err := remote.Open(context.Background(), web.URL+"/words.txt", &remote.Options{Cache: cache})
		if err != nil {
			log.Fatal(err)
		}
		b := make([]byte, 8)
		if _, err := o.ReadAt(b, 0); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %d bytes from the disk\n", b, o.Stats().Cached)
		if err := o.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// far away: 0 bytes from the disk
	// far away: 8 bytes from the disk
}

// An object appears at Commit, whole.
func ExampleCreate() {
	u, err := remote.Create(context.Background(), "s3://data/numbers.txt", nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer u.Abort() // where something goes wrong
	for i := range 1000 {
		if _, err := fmt.Fprintln(u, i); err != nil {
			log.Fatal(err)
		}
	}
	if err := u.Commit(); err != nil {
		log.Fatal(err)
	}
	e, err := remote.Stat(context.Background(), "s3://data/numbers.txt", nil)
	fmt.Println(e.Size, "bytes", err)
}

// An object is made of others, and of bytes of ours before them. What is long enough
// the store copies by itself.
func ExampleCompose() {
	ctx := context.Background()
	if err := remote.WriteFile(ctx, "s3://data/old.txt", []byte("owl\nwren\n"), nil, nil); err != nil {
		log.Fatal(err)
	}
	head := "name\n"
	err := remote.Compose(ctx, "s3://data/new.txt", []remote.Piece{
		{Bytes: strings.NewReader(head), Len: int64(len(head))},
		{Object: "s3://data/old.txt", Len: 9},
	}, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	b, err := remote.ReadFile(ctx, "s3://data/new.txt", nil)
	fmt.Printf("%q %v\n", b, err)
}

func ExampleWalk() {
	ctx := context.Background()
	for _, name := range []string{"1.jpg", "2.jpg", "more/3.jpg"} {
		if err := remote.WriteFile(ctx, "s3://data/photos/"+name, []byte(name), nil, nil); err != nil {
			log.Fatal(err)
		}
	}
	list, err := remote.List(ctx, "s3://data/photos/*.jpg", nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range list {
		fmt.Println("listed", path.Base(e.URL))
	}

	err = remote.Walk(ctx, "s3://data/photos/", true, nil, func(e remote.Entry) error {
		fmt.Println("deleted", path.Base(e.URL))
		return remote.Delete(ctx, e.URL, nil)
	})
	if err != nil {
		log.Fatal(err)
	}
}

// TestExamples runs the examples that take a store, with a real one.
func TestExamples(t *testing.T) {
	s3test.Start(t)
	for _, c := range []struct {
		name, want string
		example    func()
	}{
		{"Create", "3890 bytes <nil>\n", ExampleCreate},
		{"Compose", `"name\nowl\nwren\n" <nil>` + "\n", ExampleCompose},
		{"Walk", "listed 1.jpg\nlisted 2.jpg\ndeleted 1.jpg\ndeleted 2.jpg\ndeleted 3.jpg\n", ExampleWalk},
	} {
		out, err := os.Create(path.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		stdout := os.Stdout
		os.Stdout = out
		c.example()
		os.Stdout = stdout
		if err := out.Close(); err != nil {
			t.Error(err)
		}
		if got, err := os.ReadFile(out.Name()); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}
