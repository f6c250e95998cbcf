package view_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/betongo/betongo/ffcv"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/view"
)

// What "ffcv view" serves can be a part of another server. A browser gets in by the
// token, for which it is given a cookie.
func ExampleNew() {
	b := golden.Bytes("rgb_jpg")
	f, err := ffcv.New(ffcv.ReaderAtSource("photos.beton", bytes.NewReader(b), int64(len(b))), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	s, err := view.New(f, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	web := httptest.NewServer(s.Handler())
	defer web.Close()

	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	page, err := browser.Get(web.URL + "/?token=" + s.Token())
	if err != nil {
		log.Fatal(err)
	}
	defer page.Body.Close()
	answer, err := browser.Get(web.URL + "/api/dataset")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	var told struct {
		Samples int
		Fields  []struct{ Name, Kind string }
	}
	if err := json.NewDecoder(answer.Body).Decode(&told); err != nil {
		log.Fatal(err)
	}
	fmt.Println(page.Header.Get("Content-Type"), told)
	// Output: text/html; charset=utf-8 {40 [{image image} {label label}]}
}
