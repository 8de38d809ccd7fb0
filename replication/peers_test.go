package replication

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"
)

// startPeer opens and serves a peer port on loopback until the test ends.
func startPeer(t testing.TB, id string, change func(*peersConfig), handlers map[byte]rpcHandler) *peers {
	t.Helper()
	cfg := peersConfig{
		bind:   "127.0.0.1:0",
		logger: slog.New(slog.DiscardHandler),
		self:   func() preface { return preface{node: id, cluster: clusterID{1}, boot: 7} },
	}
	if change != nil {
		change(&cfg)
	}
	p, err := openPeers(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for method, h := range handlers {
		p.handle(method, h)
	}
	p.serve()
	t.Cleanup(func() {
		if err := p.close(); err != nil {
			t.Errorf("close %s: %v", id, err)
		}
	})
	return p
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

func (p *peers) connCount() (all, inbound int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns), p.inbound
}

func TestHandshakeTellsWhoIsThere(t *testing.T) {
	var seen preface
	var mu sync.Mutex
	a := startPeer(t, "a", func(c *peersConfig) {
		c.admit = func(p preface) status {
			mu.Lock()
			defer mu.Unlock()
			seen = p
			return statusOK
		}
	}, nil)
	b := startPeer(t, "b", func(c *peersConfig) {
		c.self = func() preface { return preface{node: "b", boot: 3, founding: [8]byte{9}} }
	}, nil)
	remote, err := b.probe(within(t, time.Second), a.address(), "")
	if err != nil {
		t.Fatal(err)
	}
	if remote.node != "a" || remote.boot != 7 || remote.cluster != (clusterID{1}) || remote.kind != kindProbe {
		t.Errorf("dialer saw %+v", remote)
	}
	mu.Lock()
	defer mu.Unlock()
	if seen.node != "b" || seen.boot != 3 || seen.founding != ([8]byte{9}) || seen.kind != kindProbe || seen.cluster.known() {
		t.Errorf("acceptor saw %+v", seen)
	}
}

func TestHandshakeRefusals(t *testing.T) {
	self := func(p preface) func(*peersConfig) {
		return func(c *peersConfig) { c.self = func() preface { return p } }
	}
	tests := []struct {
		name     string
		acceptor func(*peersConfig)
		dialer   func(*peersConfig)
		want     string // whom the dialer means
		status   status
		byUs     bool
	}{
		{name: "wrong cluster", dialer: self(preface{node: "b", cluster: clusterID{2}}), status: statusWrongCluster},
		{name: "unknown cluster is fine", dialer: self(preface{node: "b"}), status: statusOK},
		{name: "somebody else", want: "c", status: statusWrongNode},
		{name: "same name", dialer: self(preface{node: "a", cluster: clusterID{1}}), status: statusWrongNode},
		{
			name: "acceptor's policy", status: statusUnknownMember,
			acceptor: func(c *peersConfig) { c.admit = func(preface) status { return statusUnknownMember } },
		},
		{
			name: "dialer's policy", status: statusUnknownMember, byUs: true,
			dialer: func(c *peersConfig) { c.admit = func(preface) status { return statusUnknownMember } },
		},
		{
			name: "too many of one node", status: statusBusy,
			acceptor: func(c *peersConfig) { c.maxConnsOfPeer = -1 },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := startPeer(t, "a", tt.acceptor, nil)
			b := startPeer(t, "b", tt.dialer, nil)
			_, err := b.call(within(t, 5*time.Second), a.address(), tt.want, classControl, 1, nil)
			var refused *refusedError
			if !errors.As(err, &refused) {
				if tt.status != statusOK {
					t.Fatalf("err = %v, want a refusal", err)
				}
				return
			}
			if refused.status != tt.status || refused.byUs != tt.byUs || refused.remote.node != "a" {
				t.Errorf("refusal = %+v, want status %v", refused, tt.status)
			}
			if !errors.Is(err, errNotSent) {
				t.Errorf("err = %v, want errNotSent", err)
			}
		})
	}
}

// rawDial speaks to a peer port without any of our code.
func rawDial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOtherVersionIsAnswered(t *testing.T) {
	a := startPeer(t, "a", nil, nil)
	c := rawDial(t, a.address())
	msg := append([]byte(peerMagic), 0, 9, byte(kindRPC), 0, 3, 'x', 'y', 'z')
	if _, err := c.Write(msg); err != nil {
		t.Fatal(err)
	}
	code, remote, err := readPreface(c)
	if err != nil || status(code) != statusWrongVersion || remote.node != "a" {
		t.Fatalf("answer = %v %+v %v", status(code), remote, err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the refusal: %d %v", n, err)
	}
}

// TestBadOpeningsEndAlone sends what no peer sends. Each such connection ends
// within the handshake's time, without an answer, and calls go on beside it.
func TestBadOpeningsEndAlone(t *testing.T) {
	good, err := appendPreface(nil, uint8(kindRPC), preface{node: "b", cluster: clusterID{1}})
	if err != nil {
		t.Fatal(err)
	}
	mutate := func(i int, v byte) []byte {
		b := append([]byte(nil), good...)
		b[i] = v
		return b
	}
	tests := map[string][]byte{
		"nothing":      nil,
		"half":         good[:20],
		"http":         []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"no such kind": mutate(10, 99),
		"huge body":    mutate(11, 0xff),
		"no name":      mutate(prefaceHeadLen+prefaceFixed, 0),
	}
	a := startPeer(t, "a", func(c *peersConfig) { c.acceptTimeout = 200 * time.Millisecond },
		map[byte]rpcHandler{1: echo})
	b := startPeer(t, "b", nil, nil)
	for name, msg := range tests {
		t.Run(name, func(t *testing.T) {
			c := rawDial(t, a.address())
			if _, err := c.Write(msg); err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(c)
			if len(got) != 0 {
				t.Errorf("answered %q", got)
			}
			if _, err := b.call(within(t, time.Second), a.address(), "a", classControl, 1, []byte("x")); err != nil {
				t.Errorf("call beside it: %v", err)
			}
		})
	}
	eventually(t, "only b's connection is left", func() bool { _, n := a.connCount(); return n == 1 })
}

func TestConnectionBounds(t *testing.T) {
	a := startPeer(t, "a", func(c *peersConfig) { c.maxConns = 3 }, nil)
	var silent []net.Conn
	for range 3 {
		silent = append(silent, rawDial(t, a.address()))
	}
	eventually(t, "three connections", func() bool { _, n := a.connCount(); return n == 3 })
	b := startPeer(t, "b", nil, nil)
	if _, err := b.probe(within(t, time.Second), a.address(), "a"); err == nil {
		t.Fatal("a fourth connection was served")
	}
	_ = silent[0].Close()
	eventually(t, "a place is free again", func() bool {
		_, err := b.probe(within(t, time.Second), a.address(), "a")
		return err == nil
	})
}

func TestConnectionsOfOnePeerAreBounded(t *testing.T) {
	a := startPeer(t, "a", func(c *peersConfig) { c.maxConnsOfPeer = 2 }, nil)
	b := startPeer(t, "b", nil, nil)
	go func() { // raft's part, which takes what it gets
		for {
			if _, err := a.streamLayer().Accept(); err != nil {
				return
			}
		}
	}()
	var conns []net.Conn
	for range 2 {
		if _, err := b.streamLayer().Dial("", 0); err == nil {
			t.Fatal("dialed nowhere")
		}
		c, err := b.streamLayer().Dial(raftAddr(a), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	_, err := b.streamLayer().Dial(raftAddr(a), time.Second)
	var refused *refusedError
	if !errors.As(err, &refused) || refused.status != statusBusy {
		t.Fatalf("third connection: %v", err)
	}
	if _, err := b.probe(within(t, time.Second), a.address(), "a"); err != nil {
		t.Errorf("a probe takes no place: %v", err)
	}
	if err := conns[0].Close(); err != nil {
		t.Fatal(err)
	}
}

func TestClosePeer(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: echo, 2: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		select {
		case <-ctx.Done():
		case <-release:
		}
		return nil, context.Cause(ctx)
	}})
	b := startPeer(t, "b", nil, nil)
	c := startPeer(t, "c", nil, nil)
	for _, p := range []*peers{b, c} {
		if _, err := p.call(within(t, time.Second), a.address(), "a", classControl, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	result := make(chan error, 1)
	go func() {
		_, err := b.call(context.Background(), a.address(), "a", classControl, 2, nil)
		result <- err
	}()
	a.closePeer("b")
	// The call may have been under way, or found the connection closed.
	select {
	case err := <-result:
		if !errors.Is(err, errMaybeSent) && !errors.Is(err, errNotSent) {
			t.Errorf("call of the closed peer: %v", err)
		}
	case <-time.After(50 * time.Millisecond):
		a.closePeer("b") // it came on a new connection
		if err := <-result; !errors.Is(err, errMaybeSent) {
			t.Errorf("call of the closed peer: %v", err)
		}
	}
	if _, err := c.call(within(t, time.Second), a.address(), "a", classControl, 1, nil); err != nil {
		t.Errorf("call of another peer: %v", err)
	}
	if _, n := a.connCount(); n > 2 {
		t.Errorf("%d connections", n)
	}
}

func TestCloseWaitsForHandlers(t *testing.T) {
	entered, left := make(chan struct{}), make(chan struct{})
	a := startPeer(t, "a", nil, map[byte]rpcHandler{1: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		close(left)
		return nil, nil
	}})
	b := startPeer(t, "b", nil, nil)
	result := make(chan error, 1)
	go func() {
		_, err := b.call(context.Background(), a.address(), "a", classBulk, 1, nil)
		result <- err
	}()
	<-entered
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-left:
	default:
		t.Error("close returned before a handler")
	}
	// The handler's answer may still have got through.
	if err := <-result; err != nil && !errors.Is(err, errMaybeSent) {
		t.Errorf("call under way: %v", err)
	}
	if _, err := a.call(context.Background(), b.address(), "b", classBulk, 1, nil); !errors.Is(err, errNotSent) {
		t.Errorf("call after close: %v", err)
	}
	if n, _ := a.connCount(); n != 0 {
		t.Errorf("%d connections after close", n)
	}
}

// TestSecureChannel checks that both sides wrap before the preface.
func TestSecureChannel(t *testing.T) {
	wrap := func(c net.Conn) (net.Conn, error) { return xorConn{c}, nil }
	a := startPeer(t, "a", func(c *peersConfig) { c.wrapServer = wrap }, map[byte]rpcHandler{1: echo})
	b := startPeer(t, "b", func(c *peersConfig) { c.wrapClient = wrap }, nil)
	got, err := b.call(within(t, time.Second), a.address(), "a", classBulk, 1, []byte("hi"))
	if err != nil || string(got) != "b:hi" {
		t.Fatalf("%q %v", got, err)
	}
	plain := startPeer(t, "c", nil, nil)
	if _, err := plain.probe(within(t, 500*time.Millisecond), a.address(), "a"); err == nil {
		t.Error("a plain peer was served")
	}
}

// xorConn stands for a secure channel: other bytes on the wire.
type xorConn struct{ net.Conn }

func (c xorConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	for i := range b[:n] {
		b[i] ^= 0x55
	}
	return n, err
}

func (c xorConn) Write(b []byte) (int, error) {
	x := make([]byte, len(b))
	for i := range b {
		x[i] = b[i] ^ 0x55
	}
	return c.Conn.Write(x)
}
