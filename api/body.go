package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/kissvdb/kissvdb/fault"
)

const (
	// lingerBytes and lingerTime bound what is still read of a body that is
	// too large: a client that is cut off while it writes never reads why.
	lingerBytes = 16 << 20
	lingerTime  = 2 * time.Second
	// maxPooled bounds the buffers that wait for the next request.
	maxPooled = 256 << 10
)

// expectBody starts the clock of a request that brings a body. It covers
// routes that take none as well: the server reads the rest of any body
// before it goes on with the connection.
func (rw *response) expectBody(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	rw.setReadDeadline(time.Now().Add(rw.server.cfg.RequestTimeout))
	if r.ContentLength > int64(rw.server.cfg.MaxBodyBytes) {
		return rw.tooLarge(r)
	}
	return nil
}

// setReadDeadline sets the deadline of the connection, if there is one: a
// handler may also be called on none, such as in a test.
func (rw *response) setReadDeadline(t time.Time) {
	err := http.NewResponseController(rw.ResponseWriter).SetReadDeadline(t)
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		rw.server.log.Debug("read deadline", "error", err)
	}
}

// tooLarge reads on for a while, so that the client gets to the answer.
func (rw *response) tooLarge(r *http.Request) error {
	if r.Header.Get("Expect") == "" {
		rw.setReadDeadline(time.Now().Add(lingerTime))
		if _, err := io.CopyN(io.Discard, r.Body, lingerBytes); err != nil && !errors.Is(err, io.EOF) {
			rw.server.log.Debug("discard body", "error", err)
		}
	}
	return fault.New(fault.PayloadTooLarge, "body too large: at most %d bytes are allowed", rw.server.cfg.MaxBodyBytes)
}

// readJSON reads the whole body and returns it as one valid JSON value
// without white space around it. The bytes are the response's and stay as
// they are until it is released; the caller may write to them.
func (rw *response) readJSON(r *http.Request) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	if err := rw.readBody(r); err != nil {
		return nil, err
	}
	return parseJSON(rw.in)
}

// readBody fills rw.in.
func (rw *response) readBody(r *http.Request) error {
	limit := rw.server.cfg.MaxBodyBytes
	buf := rw.in[:0]
	if n := int(r.ContentLength); n >= 0 && cap(buf) <= n {
		buf = make([]byte, 0, n+1) // one more, to see the end without growing
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		rw.in = buf
		if len(buf) > limit {
			return rw.tooLarge(r)
		}
		if err != nil {
			return rw.bodyEnd(err)
		}
	}
}

// bodyEnd takes the clock off again when the body is whole: the connection
// is being watched for the client leaving while the answer is made.
func (rw *response) bodyEnd(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		rw.setReadDeadline(time.Time{})
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		rw.Header()["Connection"] = []string{"close"}
		return fault.New(fault.RequestTimeout, "the body did not arrive within %s", rw.server.cfg.RequestTimeout)
	}
	return fault.New(fault.InvalidArgument, "the body could not be read: %v", err)
}

// checkContentType accepts application/json and application/*+json, with
// any parameters, of a body that is not encoded.
func checkContentType(header http.Header) error {
	given := header["Content-Type"]
	if len(given) == 1 && (given[0] == "application/json" || isJSONType(given[0])) {
		if encoding := header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
			return fault.New(fault.UnsupportedMediaType, "content encoding %q is not supported", encoding)
		}
		return nil
	}
	return fault.New(fault.UnsupportedMediaType, "content type must be application/json")
}

func isJSONType(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}
