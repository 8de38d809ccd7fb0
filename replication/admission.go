package replication

import (
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/kissvdb/kissvdb/fault"
)

// The methods of the peer port.
const (
	methodForward   = 1 // a batch of records for the leader
	methodReadIndex = 2 // a confirmed position, from the leader
	methodProbe     = 3 // a voter's term
	methodTime      = 4 // a wall clock
	methodHello     = 5 // this start, before anything else
	methodJoin      = 6 // a wish to be a member
	methodAdmin     = 7 // a change of the membership, for the leader
	methodInfo      = 8 // what a member tells of itself
)

// maxNodeID is the longest id of a node, in bytes.
const maxNodeID = 64

// self is what this node says of itself at the beginning of a connection.
func (r *Replica) self() preface {
	return preface{
		cluster:  r.identity.cluster(),
		founding: foundingHash(r.cfg.Peers),
		boot:     r.identity.start().Boot,
		node:     r.cfg.ID,
	}
}

// admit judges the other side of a connection; that both are of one cluster,
// as far as both know it, was checked before. Raft's messages are taken from
// members only, and while one side does not know the cluster's id yet, from
// fellow founders only. Calls are open to every node, since one that wants to
// join must be able to ask; each method decides who may use it.
func (r *Replica) admit(p preface) status {
	if len(p.node) > maxNodeID {
		return statusUnknownMember
	}
	if p.kind != kindRaft {
		return statusOK
	}
	self := r.self()
	if !p.cluster.known() || !self.cluster.known() {
		if self.founding == ([8]byte{}) || p.founding != self.founding {
			return statusWrongCluster
		}
	}
	select {
	case <-r.started:
		if len(r.servers()) > 0 && !r.isMember(p.node) {
			return statusUnknownMember
		}
		return statusOK
	default:
		return statusBusy
	}
}

// openPeers listens on the peer port.
func (r *Replica) openPeers() (err error) {
	cfg := peersConfig{
		bind: r.cfg.Bind, address: advertised(r.cfg.Address),
		self: r.self, admit: r.admit, idOf: r.idOf,
		dial: r.cfg.Dial, listen: r.cfg.Listen,
		logger: r.log,
	}
	r.peers, err = openPeers(cfg)
	if err != nil && r.cfg.Alone() {
		// A node alone needs nobody: its peer port is only for those who join.
		r.log.Warn("no node can join: the peer port cannot be opened", "error", err)
		cfg.listen = func(string, string) (net.Listener, error) { return newSilentListener(), nil }
		r.peers, err = openPeers(cfg)
	}
	if err != nil {
		return err
	}
	r.cfg.Address = r.peers.address()
	members := func(h rpcHandler) rpcHandler { return r.membersOnly(h) }
	r.peers.handle(methodForward, members(r.serveForward))
	r.peers.handle(methodReadIndex, members(r.serveReadIndex))
	r.peers.handle(methodProbe, members(r.serveProbe))
	r.peers.handle(methodTime, members(r.serveTime))
	r.peers.handle(methodAdmin, members(serveJSON(r.serveAdmin)))
	r.peers.handle(methodInfo, members(serveJSON(r.serveInfo)))
	r.peers.handle(methodHello, r.ready(serveJSON(r.serveHello)))
	r.peers.handle(methodJoin, r.ready(serveJSON(r.serveJoin)))
	r.peers.serve()
	return nil
}

// advertised is the address to tell others; empty, the bound one is told.
func advertised(addr string) string {
	if _, port, err := net.SplitHostPort(addr); err == nil && port == "0" {
		return ""
	}
	return addr
}

// idOf names the member at an address: raft dials addresses.
func (r *Replica) idOf(addr string) string {
	select {
	case <-r.started:
	default:
		return ""
	}
	for _, s := range r.servers() {
		if string(s.Address) == addr {
			return string(s.ID)
		}
	}
	return ""
}

// membersOnly refuses strangers.
func (r *Replica) membersOnly(h rpcHandler) rpcHandler {
	return r.ready(func(ctx context.Context, from string, req []byte) ([]byte, error) {
		if !r.isMember(from) {
			return nil, errStranger
		}
		return h(ctx, from, req)
	})
}

// ready refuses calls that arrive before raft is started.
func (r *Replica) ready(h rpcHandler) rpcHandler {
	return func(ctx context.Context, from string, req []byte) ([]byte, error) {
		select {
		case <-r.started:
			return h(ctx, from, req)
		default:
			return nil, fault.New(fault.NoLeader, "this node is starting")
		}
	}
}

// serveJSON and callJSON are the two ends of a call that is rare and small.
func serveJSON[Req, Resp any](h func(context.Context, string, Req) (Resp, error)) rpcHandler {
	return func(ctx context.Context, from string, b []byte) ([]byte, error) {
		var req Req
		if err := json.Unmarshal(b, &req); err != nil {
			return nil, fmt.Errorf("%w: %w", errMalformed, err)
		}
		resp, err := h(ctx, from, req)
		if err != nil {
			return nil, err
		}
		return json.Marshal(resp)
	}
}

func callJSON[Resp any](ctx context.Context, p *peers, to Member, method byte, req any) (resp Resp, err error) {
	b, err := json.Marshal(req)
	if err != nil {
		return resp, err
	}
	reply, err := p.call(ctx, to.Address, to.ID, classControl, method, b)
	if err != nil {
		return resp, err
	}
	if err := json.Unmarshal(reply, &resp); err != nil {
		return resp, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return resp, nil
}

// silentListener never accepts anybody.
type silentListener struct{ closed chan struct{} }

func newSilentListener() *silentListener { return &silentListener{closed: make(chan struct{})} }

// Accept implements net.Listener.
func (l *silentListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l *silentListener) Close() error {
	close(l.closed)
	return nil
}

// Addr implements net.Listener.
func (l *silentListener) Addr() net.Addr { return &net.TCPAddr{} }

var _ net.Listener = (*silentListener)(nil)
