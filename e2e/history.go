package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// History records what clients did to keys and saw, and judges whether one
// store that does one thing at a time could have answered so.
type History struct {
	start  time.Time
	values atomic.Int64

	mu  sync.Mutex
	ops []porcupine.Operation
}

// NewHistory returns an empty history.
func NewHistory() *History { return &History{start: time.Now()} }

type opKind string

const (
	opGet opKind = "get"
	opPut opKind = "put"
	opCAS opKind = "cas"
)

// opInput is what a client asked. Values are unique within a history.
type opInput struct {
	kind     opKind
	key      string
	value    string
	revision uint64 // of a cas: the expected one, 0 = absent
}

// opOutput is what it was told. unknown: no answer, so it may have happened
// at any time after the call, or never.
type opOutput struct {
	unknown  bool
	refused  bool // a cas that lost
	value    string
	revision uint64 // 0 = absent
}

// register is the model's state of one key.
type register struct {
	value    string
	revision uint64
}

func (h *History) value() string { return strconv.FormatInt(h.values.Add(1), 10) }

func (h *History) now() int64 { return int64(time.Since(h.start)) }

func (h *History) add(client int, in opInput, call int64, out opOutput) {
	end := h.now()
	if out.unknown {
		end = math.MaxInt64
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: end})
}

// Get reads linearizably and records what it saw.
func (h *History) Get(ctx context.Context, client int, c *Client, key string) (revision uint64, err error) {
	return h.read(ctx, client, c, key, "consistency=linearizable")
}

// read records a read of any level. One without an answer says nothing.
func (h *History) read(ctx context.Context, client int, c *Client, key, query string) (revision uint64, err error) {
	call := h.now()
	item, _, err := c.Get(ctx, key, query)
	var f *Failure
	switch {
	case err == nil:
		h.add(client, opInput{kind: opGet, key: key}, call, opOutput{value: string(item.Value), revision: item.Revision})
		return item.Revision, nil
	case errors.As(err, &f) && f.Status == 404:
		h.add(client, opInput{kind: opGet, key: key}, call, opOutput{})
		return 0, nil
	}
	return 0, err
}

// Put writes a value that no other write has, and records the outcome.
func (h *History) Put(ctx context.Context, client int, c *Client, key string) error {
	raw := h.value()
	return h.write(ctx, client, c, opInput{kind: opPut, key: key, value: raw}, Put{Value: json.RawMessage(raw)})
}

// CAS writes such a value if the key is still at revision, and records the outcome.
func (h *History) CAS(ctx context.Context, client int, c *Client, key string, revision uint64) error {
	raw := h.value()
	in := opInput{kind: opCAS, key: key, value: raw, revision: revision}
	return h.write(ctx, client, c, in, Put{Value: json.RawMessage(raw), IfRevision: &revision})
}

func (h *History) write(ctx context.Context, client int, c *Client, in opInput, p Put) error {
	call := h.now()
	item, _, err := c.Put(ctx, in.key, p)
	var f *Failure
	switch {
	case err == nil:
		h.add(client, in, call, opOutput{revision: item.Revision})
	case errors.As(err, &f) && f.Status == 409:
		h.add(client, in, call, opOutput{refused: true})
		return nil
	case errors.As(err, &f) && (f.Status == 503 || f.Status == 507):
		// Nothing was written, they say: so it is not in the history, and a
		// read that sees the value all the same cannot be explained.
	default:
		h.add(client, in, call, opOutput{unknown: true})
	}
	return err
}

// Check fails t unless the history is linearizable. An undecided checker is a failure too.
func (h *History) Check(t testing.TB) {
	t.Helper()
	result, info := h.judge()
	if result == porcupine.Ok {
		t.Logf("%d operations are linearizable", h.len())
		return
	}
	t.Errorf("history of %d operations: %s", h.len(), result)
	path := filepath.Join(os.TempDir(), "kissvdb-history-"+strconv.FormatInt(time.Now().UnixNano(), 36)+".html")
	if err := porcupine.VisualizePath(registerModel(), info, path); err == nil {
		t.Logf("drawn in %s", path)
	}
}

func (h *History) judge() (porcupine.CheckResult, porcupine.LinearizationInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return porcupine.CheckOperationsVerbose(registerModel(), h.ops, 60*time.Second)
}

func (h *History) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ops)
}

// registerModel is a register per key with revisions and compare-and-set.
func registerModel() porcupine.Model {
	return porcupine.Model{
		Partition: func(ops []porcupine.Operation) [][]porcupine.Operation {
			byKey := map[string][]porcupine.Operation{}
			for _, op := range ops {
				key := op.Input.(opInput).key
				byKey[key] = append(byKey[key], op)
			}
			parts := make([][]porcupine.Operation, 0, len(byKey))
			for _, part := range byKey {
				parts = append(parts, settle(part))
			}
			return parts
		},
		Init: func() any { return register{} },
		Step: func(state, input, output any) (bool, any) {
			return state.(register).step(input.(opInput), output.(opOutput))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
	}
}

// step tells whether the register could answer so, and what it is then.
func (r register) step(in opInput, out opOutput) (bool, register) {
	if in.kind == opGet {
		return out.revision == r.revision && out.value == r.value, r
	}
	matches := in.kind == opPut || in.revision == r.revision
	if out.refused || !matches {
		return !matches && (out.refused || out.unknown), r
	}
	next := register{value: in.value, revision: r.revision + 1}
	return out.unknown || out.revision == next.revision, next
}
