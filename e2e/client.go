package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client speaks to one node's HTTP API, for tests. It retries nothing.
type Client struct {
	URL  string
	http *http.Client
}

// NewClient returns a client of the node at url, with connections of its own.
func NewClient(url string) *Client {
	return &Client{URL: url, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Failure is an answer that is not 200.
type Failure struct {
	Status  int
	Code    string `json:"error"`
	Message string `json:"message"`
	Offset  uint64 `json:"-"` // Kiss-Offset, 0 when there was none
}

func (f *Failure) Error() string { return fmt.Sprintf("%d %s: %s", f.Status, f.Code, f.Message) }

// Item is a key as the API shows it.
type Item struct {
	Key       string          `json:"key"`
	Value     json.RawMessage `json:"value"`
	Revision  uint64          `json:"revision"`
	ExpiresAt *int64          `json:"expires_at_ms"`
}

// Checksum is the hash of a node's state at one place of the log.
type Checksum struct {
	Index  uint64 `json:"index"`
	Offset uint64 `json:"offset"`
	Hash   string `json:"hash"`
}

// Put is the body of a state write.
type Put struct {
	Value      json.RawMessage `json:"value"`
	TTL        *uint64         `json:"ttl_ms,omitempty"`
	IfRevision *uint64         `json:"if_revision,omitempty"`
}

// Do sends one request and decodes a 200 into out. It returns Kiss-Offset,
// also beside a *Failure. Any other error leaves a write's outcome unknown.
func (c *Client) Do(ctx context.Context, method, path string, body, out any) (uint64, error) {
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, reader)
	if err != nil {
		return 0, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	offset, err := headerOffset(resp.Header)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		f := &Failure{Status: resp.StatusCode, Offset: offset}
		if err := json.Unmarshal(raw, f); err != nil {
			return offset, fmt.Errorf("status %d with a body that is no error: %q", resp.StatusCode, raw)
		}
		return offset, f
	}
	if out == nil {
		return offset, nil
	}
	return offset, json.Unmarshal(raw, out)
}

func headerOffset(h http.Header) (uint64, error) {
	v := h.Get("Kiss-Offset")
	if v == "" {
		return 0, nil
	}
	return strconv.ParseUint(v, 10, 64)
}

// Put writes a key and returns the item (without value) and its offset.
func (c *Client) Put(ctx context.Context, key string, p Put) (Item, uint64, error) {
	var item Item
	offset, err := c.Do(ctx, http.MethodPut, statePath(key), p, &item)
	return item, offset, err
}

// Set writes a value that is a JSON string.
func (c *Client) Set(ctx context.Context, key, value string) (Item, uint64, error) {
	return c.Put(ctx, key, Put{Value: json.RawMessage(strconv.Quote(value))})
}

// Get reads a key; query is such as "min_offset=3" or "consistency=linearizable".
func (c *Client) Get(ctx context.Context, key, query string) (Item, uint64, error) {
	var item Item
	offset, err := c.Do(ctx, http.MethodGet, statePath(key)+"?"+query, nil, &item)
	return item, offset, err
}

// Delete removes a key and tells whether it was there.
func (c *Client) Delete(ctx context.Context, key string) (bool, uint64, error) {
	var out struct{ Deleted bool }
	offset, err := c.Do(ctx, http.MethodDelete, statePath(key), nil, &out)
	return out.Deleted, offset, err
}

// List reads keys in order.
func (c *Client) List(ctx context.Context, query url.Values) ([]Item, uint64, error) {
	var items []Item
	offset, err := c.Do(ctx, http.MethodGet, "/v1/state?"+query.Encode(), nil, &items)
	return items, offset, err
}

func statePath(key string) string { return "/v1/state/" + url.PathEscape(key) }

// Event is one event of a stream, with the exact bytes it came as.
type Event struct {
	Type string
	ID   uint64
	Data json.RawMessage
	Raw  string
}

// Stream is an open event stream. Next must be called from one goroutine.
type Stream struct {
	body  io.ReadCloser
	lines *bufio.Reader
}

// Stream opens /v1/stream after the event since. It ends with ctx.
func (c *Client) Stream(ctx context.Context, since uint64) (*Stream, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/v1/stream", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Last-Event-ID", strconv.FormatUint(since, 10))
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		raw, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("stream: status %d: %s", resp.StatusCode, raw)
	}
	return &Stream{body: resp.Body, lines: bufio.NewReader(resp.Body)}, nil
}

// Next blocks for the next event and skips comments.
func (s *Stream) Next() (Event, error) {
	var e Event
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return Event{}, err
		}
		if strings.HasPrefix(line, ":") {
			continue
		}
		if line == "\n" {
			if e.Raw == "" {
				continue // the blank line after a comment
			}
			e.Raw += line
			return e, nil
		}
		e.Raw += line
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			e.Type = value
		case "id":
			if e.ID, err = strconv.ParseUint(value, 10, 64); err != nil {
				return Event{}, fmt.Errorf("event id: %w", err)
			}
		case "data":
			e.Data = json.RawMessage(value)
		default:
			return Event{}, fmt.Errorf("unknown field in stream: %q", line)
		}
	}
}

// Close ends the stream.
func (s *Stream) Close() error { return s.body.Close() }

// ClusterView is /v1/cluster.
type ClusterView struct {
	Cluster string  `json:"cluster"`
	Node    string  `json:"node"`
	Leader  *string `json:"leader"`
	Term    uint64  `json:"term"`
	Members []struct {
		ID            string `json:"id"`
		URL           string `json:"url"`
		Address       string `json:"address"`
		Voter         bool   `json:"voter"`
		Role          string `json:"role"`
		Reachable     bool   `json:"reachable"`
		AppliedOffset uint64 `json:"applied_offset"`
		Lag           uint64 `json:"lag"`
		Version       string `json:"version"`
	} `json:"members"`
}

// Cluster reads /v1/cluster.
func (c *Client) Cluster(ctx context.Context) (ClusterView, error) {
	var v ClusterView
	_, err := c.Do(ctx, http.MethodGet, "/v1/cluster", nil, &v)
	return v, err
}

// Ready tells whether /readyz answers 200, and what it said.
func (c *Client) Ready(ctx context.Context) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, err.Error()
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode == http.StatusOK, string(raw)
}
