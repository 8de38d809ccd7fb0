package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"time"
)

const (
	connBuffer = 8 << 10
	maxHeaders = 100
	maxAnswer  = 64 << 20
)

// errAnswer is an answer that is not HTTP/1.1 as a node speaks it.
var errAnswer = errors.New("malformed answer")

// conn is one kept-alive HTTP/1.1 connection with one request in flight. It is
// written by hand because the client shares the processors with the servers it
// measures, and the general client costs several times more of them. It
// belongs to one goroutine.
type conn struct {
	target  target
	timeout time.Duration

	tcp     net.Conn
	in      *bufio.Reader
	request []byte
	body    []byte
}

func newConn(t target, timeout time.Duration) *conn {
	return &conn{target: t, timeout: timeout}
}

// target is one node.
type target struct {
	address string
	head    []byte // header lines every request carries
}

func newTarget(address, key string) target {
	head := "Host: " + address + "\r\n"
	if key != "" {
		head += "Authorization: Bearer " + key + "\r\n"
	}
	return target{address: address, head: []byte(head)}
}

// appendRequest appends a whole request; a nil body is none.
func (t target) appendRequest(r []byte, method, path string, body []byte) []byte {
	r = append(r, method...)
	r = append(r, ' ')
	r = append(r, path...)
	r = append(r, " HTTP/1.1\r\n"...)
	r = append(r, t.head...)
	if body != nil {
		r = append(r, "Content-Type: application/json\r\nContent-Length: "...)
		r = strconv.AppendInt(r, int64(len(body)), 10)
		r = append(r, "\r\n"...)
	}
	r = append(r, "\r\n"...)
	return append(r, body...)
}

// do sends a request and returns the status and the body, which is valid until
// the next call. After an error the next call dials anew.
func (c *conn) do(method, path string, body []byte) (status int, answer []byte, err error) {
	c.request = c.target.appendRequest(c.request[:0], method, path, body)
	return c.exchange(c.request)
}

// exchange is do of a request that appendRequest made.
func (c *conn) exchange(request []byte) (status int, answer []byte, err error) {
	status, chunked, length, err := c.send(request)
	if err == nil {
		err = c.readBody(chunked, length)
	}
	if err != nil {
		c.close()
		return 0, nil, err
	}
	return status, c.body, nil
}

// open sends a GET and returns its body as a stream without a deadline.
func (c *conn) open(path string) (io.Reader, error) {
	status, chunked, length, err := c.send(c.target.appendRequest(nil, "GET", path, nil))
	switch {
	case err != nil:
	case status != 200:
		if err = c.readBody(chunked, length); err == nil {
			err = fmt.Errorf("GET %s: %d %s", path, status, c.body)
		}
	case !chunked:
		err = fmt.Errorf("GET %s: %w: no stream", path, errAnswer)
	default:
		err = c.tcp.SetDeadline(time.Time{})
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return httputil.NewChunkedReader(c.in), nil
}

func (c *conn) close() {
	if c.tcp != nil {
		c.tcp.Close()
		c.tcp = nil
	}
}

func (c *conn) send(request []byte) (status int, chunked bool, length int, err error) {
	if c.tcp == nil {
		if c.tcp, err = net.DialTimeout("tcp", c.target.address, c.timeout); err != nil {
			return 0, false, 0, err
		}
		c.in = bufio.NewReaderSize(c.tcp, connBuffer)
	}
	if err = c.tcp.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, false, 0, err
	}
	if _, err = c.tcp.Write(request); err != nil {
		return 0, false, 0, err
	}
	return c.readHead()
}

// readHead reads the status line and the headers.
func (c *conn) readHead() (status int, chunked bool, length int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, false, 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, false, 0, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, 0, errAnswer
	}
	length = -1
	for range maxHeaders {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, false, 0, err
		}
		name, value, found := bytes.Cut(bytes.TrimRight(line, "\r\n"), []byte(":"))
		switch {
		case !found && len(name) == 0:
			if length < 0 && !chunked {
				return 0, false, 0, fmt.Errorf("%w: no length", errAnswer)
			}
			return status, chunked, length, nil
		case bytes.EqualFold(name, []byte("Content-Length")):
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || length < 0 || length > maxAnswer {
				return 0, false, 0, errAnswer
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
	return 0, false, 0, fmt.Errorf("%w: too many headers", errAnswer)
}

func (c *conn) readBody(chunked bool, length int) error {
	if !chunked {
		c.body = append(c.body[:0], make([]byte, length)...)
		_, err := io.ReadFull(c.in, c.body)
		return err
	}
	body, err := io.ReadAll(io.LimitReader(httputil.NewChunkedReader(c.in), maxAnswer))
	if err != nil {
		return err
	}
	c.body = body
	_, err = c.in.Discard(len("\r\n")) // behind the last chunk
	return err
}
