package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/kissvdb/kissvdb/fault"
)

const (
	headerTimeout = 10 * time.Second // for the header of a request to arrive
	idleTimeout   = 2 * time.Minute  // between two requests of a connection
	// headerRoom is what a header may hold beside an encoded key.
	headerRoom = 64 << 10
)

// newHTTPServer bounds what a connection may take in time and bytes. The
// write timeout covers the arrival of the body, the answer, and as long again
// for the client to read it; streams set deadlines of their own.
func (s *Server) newHTTPServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      3 * s.cfg.RequestTimeout,
		MaxHeaderBytes:    headerRoom + 3*s.cfg.MaxKeyLen,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Serve answers the requests that come in on l until Shutdown, which makes
// it return nil. It closes l. TLS, if any, is between l and the network.
func (s *Server) Serve(l net.Listener) error {
	err := s.httpd.Serve(&listener{Listener: l, server: s})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown ends the streams, lets the requests that are under way finish, and
// cuts those that have not when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.Drain()
	if err := s.httpd.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut: %w", err), s.httpd.Close())
	}
	return nil
}

// listener hands out connections on which every error is JSON.
//
// net/http refuses what it cannot parse (a broken percent-encoding, a header
// that is too long) before any handler is asked, with a plain text of its
// own. Clients are promised one shape for all errors, so that text is
// replaced where it is written: at the connection.
type listener struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, server: l.server}, nil
}

// conn is a connection of a listener.
type conn struct {
	net.Conn
	server *Server
}

// cannedHeaders follow the status line of the answers that net/http gives by
// itself, each in one write; ours carry a Date and never look like that.
var cannedHeaders = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	f := cannedError(b)
	if f == nil {
		return c.Conn.Write(b)
	}
	if _, err := c.Conn.Write(c.server.rawError(f)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite lets net/http say that it is done and still read for a while.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Conn.Close()
}

// cannedError returns the fault that a canned answer stands for, nil when b
// begins something else.
func cannedError(b []byte) *fault.Error {
	line, rest, ok := bytes.Cut(b[:min(len(b), 512)], []byte("\r\n"))
	status, isHTTP := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || !isHTTP || len(status) < 4 || status[0] < '4' {
		return nil
	}
	if !bytes.HasPrefix(rest, cannedHeaders[2:]) && string(status[:3]) != "417" {
		return nil
	}
	if string(status[:3]) == "431" {
		return fault.New(fault.PayloadTooLarge, "the request's header is too large")
	}
	return fault.New(fault.InvalidArgument, "the request is malformed: %s", status)
}

// rawError is the answer to what never became a request.
func (s *Server) rawError(f *fault.Error) []byte {
	id := s.ids.next(nil)
	body := appendError(nil, f, id)
	status := statusOf(f.Code)
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n", len(body))
	fmt.Fprintf(&b, "Date: %s\r\nX-Request-Id: %s\r\nKiss-Node: %s\r\n", time.Now().UTC().Format(http.TimeFormat), id, s.nodeID[0])
	if s.cors.origins == nil {
		b.WriteString("Access-Control-Allow-Origin: *\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}
