package view

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed all:web
var web embed.FS

var _ = register((*Server).assetRoutes)

// assetTypes are the kinds of files that the page is made of, by how their names
// end.
var assetTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".png":  "image/png",
	".ico":  "image/x-icon",
	".json": "application/json",
}

// assetRoutes has an address for each file: what is not among them is not
// there, whatever a request names.
func (s *Server) assetRoutes() []route {
	var list []route
	err := fs.WalkDir(web, "web", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		kind, ok := assetTypes[path.Ext(name)]
		if !ok {
			return nil
		}
		b, err := web.ReadFile(name)
		if err != nil {
			return err
		}
		at := strings.TrimPrefix(name, "web")
		if at == "/index.html" {
			at = "/{$}"
		}
		list = append(list, route{"GET", at, func(w http.ResponseWriter, r *http.Request) error {
			w.Header().Set("Content-Type", kind)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
			return nil
		}})
		return nil
	})
	if err != nil {
		panic("view: embedded files: " + err.Error())
	}
	return list
}
