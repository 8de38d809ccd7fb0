package api

import (
	_ "embed" // openapi.yaml
	"io/fs"
	"net/http"
	"strings"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5/static"
	"github.com/swaggest/swgui/v5emb"

	"github.com/kissvdb/kissvdb/fault"
)

//go:embed openapi.yaml
var openapi []byte

const docsPath = "/docs/"

// docs serves the description of the API and a page to read it with, all
// from the binary.
type docs struct {
	ui     http.Handler
	assets map[string]bool // file names the page may ask for
}

func newDocs() *docs {
	d := &docs{
		ui: v5emb.NewHandlerWithConfig(swgui.Config{
			Title:       "KissVDB",
			SwaggerJSON: "/openapi.yaml",
			BasePath:    docsPath,
			HideCurl:    false,
		}),
		assets: map[string]bool{},
	}
	entries, err := fs.ReadDir(static.FS, ".")
	if err != nil {
		return d // cannot be: the files are in the binary
	}
	for _, e := range entries {
		d.assets[strings.TrimSuffix(e.Name(), ".gz")] = true
	}
	return d
}

func (d *docs) page(rw *response, r *http.Request) error {
	d.ui.ServeHTTP(rw, r)
	return nil
}

// asset serves one file of the page. The names are checked here, because the
// file server would answer a wrong one in a shape of its own.
func (d *docs) asset(rw *response, r *http.Request) error {
	name := strings.TrimPrefix(r.URL.Path, docsPath)
	if name != "" && !d.assets[name] {
		return fault.New(fault.NotFound, "no such page")
	}
	d.ui.ServeHTTP(rw, r)
	return nil
}

func (d *docs) spec(rw *response, _ *http.Request) error {
	rw.send(http.StatusOK, yamlType, openapi)
	return nil
}
