// Package replication keeps one log of opaque bytes equal on all members of a
// cluster, wherever the leader is. It wires hashicorp/raft, batches and
// forwards writes, answers read indexes, founds and joins clusters and owns
// the peer port. It knows nothing of the data: a StateMachine does.
package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Member is a node's name and its peer address, host:port.
type Member struct{ ID, Address string }

// Config is what a Replica needs. ID, Address, Machine and Logger are
// required; the durations and sizes have defaults.
type Config struct {
	ID      string // this node's name
	Address string // the peer address that is told to others
	Bind    string // where the peer port listens; Address when empty
	Dir     string // data directory; empty = in memory, for a node alone

	Peers    []Member // founding members, this node among them; empty = a node alone
	Join     []string // peer addresses of a running cluster to join
	NonVoter bool     // join as a read replica

	Machine StateMachine
	// Info is what Members shows of this node to the others; may be nil.
	Info func() []byte
	// Admit is asked on the leader before each entry of records; an error
	// refuses what it would have held, and nothing is written. May be nil.
	Admit func() error
	// Full is asked on a follower before it takes entries; true refuses them,
	// so that the log never meets a full disk. It may be nil.
	Full func() bool
	// FreeSpace is the room left for a folder, in bytes; nil = enough.
	FreeSpace func(dir string) (uint64, error)
	Logger    *slog.Logger

	RequestTimeout time.Duration // bound of a forwarded batch; default 30 s
	EnqueueTimeout time.Duration // how long raft's queue may be full; default 5 s
	ProbeTimeout   time.Duration // bound of one round of questions to peers; default 1 s

	Heartbeat        time.Duration // raft's heartbeat and election timeouts; default 1 s
	SnapshotInterval time.Duration // how often a snapshot is considered; default 30 s, negative = never by time
	SnapshotEntries  uint64        // entries since the last snapshot that make one due; default 8192
	SnapshotBytes    uint64        // bytes that make one due, up to half as many again; default 256 MiB
	TrailingLogs     uint64        // entries kept behind a snapshot; default 4 x SnapshotEntries

	// Now is the wall clock, and Dial and Listen the network; for tests.
	Now    func() time.Time
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	Listen func(network, addr string) (net.Listener, error)
}

// Alone reports whether the node neither founds a cluster with others nor joins one.
func (c Config) Alone() bool { return len(c.Peers) < 2 && len(c.Join) == 0 }

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.RequestTimeout, 30*time.Second)
	def(&c.EnqueueTimeout, 5*time.Second)
	def(&c.ProbeTimeout, time.Second)
	def(&c.Heartbeat, time.Second)
	def(&c.SnapshotInterval, 30*time.Second)
	if c.SnapshotEntries == 0 {
		c.SnapshotEntries = 8192
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = 256 << 20
	}
	if c.TrailingLogs == 0 {
		c.TrailingLogs = 4 * c.SnapshotEntries
	}
	if c.Bind == "" {
		c.Bind = c.Address
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Info == nil {
		c.Info = func() []byte { return nil }
	}
	if c.Admit == nil {
		c.Admit = func() error { return nil }
	}
	if c.Full == nil {
		c.Full = func() bool { return false }
	}
	if c.FreeSpace == nil {
		c.FreeSpace = func(string) (uint64, error) { return math.MaxUint64, nil }
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.ID == "":
		return errors.New("a node needs an id")
	case c.Dir == "" && (len(c.Peers) > 1 || len(c.Join) > 0):
		return errors.New("a member of a cluster needs a data directory")
	case len(c.Peers) > 0 && len(c.Join) > 0:
		return errors.New("a node either founds a cluster or joins one")
	}
	if len(c.Peers) == 0 {
		return nil
	}
	seen, self := map[string]bool{}, false
	for _, p := range c.Peers {
		if p.ID == "" || p.Address == "" || seen[p.ID] || seen[p.Address] {
			return fmt.Errorf("peer %q=%q is incomplete or listed twice", p.ID, p.Address)
		}
		seen[p.ID], seen[p.Address] = true, true
		self = self || p.ID == c.ID
	}
	if !self {
		return fmt.Errorf("node %q is not in its own list of peers", c.ID)
	}
	return nil
}

// Replica is one member's copy of the log. All methods are safe for
// concurrent use.
type Replica struct {
	cfg       Config
	log       *slog.Logger
	storage   *storage
	identity  *identity
	machine   *machine
	peers     *peers
	trans     *raft.NetworkTransport
	transport *transport
	raft      *raft.Raft

	queue    *queue
	records  [][]byte      // the pump's scratch
	pumpWake chan struct{} // something about the leader changed

	opened      atomic.Uint64 // the term this node leads and has opened; 0 = none
	leaderMu    sync.Mutex
	leaderMoved chan struct{} // closed when something about the leader changes
	leadership  chan bool

	confirmed     atomic.Bool // a majority knows this start: promises may be made
	rejoined      atomic.Bool // this node came without data and asks for a vote
	founders      founders
	clocks        clocks
	readRounds    rounds
	confirmRounds rounds
	notice        atomic.Pointer[commitNotice]
	noticed       chan struct{}

	ctx     context.Context // ends when Close begins to stop the goroutines
	cancel  context.CancelFunc
	started chan struct{} // closed when raft runs: peers may be answered
	dead    chan struct{} // closed when raft has stopped
	wg      sync.WaitGroup
	fatal   chan error
	once    sync.Once
}

// Open starts a replica: it opens the storage, listens on the peer port and
// starts raft. Founding, joining and catching up go on after it returns.
func Open(cfg Config) (_ *Replica, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Replica{
		cfg: cfg, log: cfg.Logger,
		queue:       newQueue(),
		pumpWake:    make(chan struct{}, 1),
		leaderMoved: make(chan struct{}),
		leadership:  make(chan bool, 1),
		noticed:     make(chan struct{}, 1),
		started:     make(chan struct{}),
		dead:        make(chan struct{}),
		fatal:       make(chan error, 1),
	}
	r.readRounds.run, r.confirmRounds.run = r.readIndexRound, r.confirmLeadership
	r.ctx, r.cancel = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, r.stop())
		}
	}()
	if err := r.openStorage(); err != nil {
		return nil, err
	}
	if err := r.openPeers(); err != nil {
		return nil, err
	}
	if err := r.openRaft(); err != nil {
		return nil, err
	}
	r.goFunc(r.watchLeadership)
	r.goFunc(r.pump)
	r.goFunc(r.committer)
	r.goFunc(r.settle)
	r.goFunc(r.watchClocks)
	r.goFunc(r.watchSize)
	return r, nil
}

func (r *Replica) openStorage() (err error) {
	logger := newRaftLogger(r.log, "raft")
	r.storage, err = openStorage(r.cfg.Dir, logger, func(dir string) (raft.SnapshotStore, error) {
		return openSnapshots(dir, retainSnapshots, r.cfg.FreeSpace, r.log)
	}, r.fail)
	if err != nil {
		return err
	}
	if r.identity, err = openIdentity(r.storage.stable, r.cfg.ID); err != nil {
		return err
	}
	r.machine = &machine{
		sm: r.cfg.Machine, fatal: r.fail,
		cluster: r.identity.cluster(), adopt: r.adoptCluster,
	}
	return nil
}

func (r *Replica) openRaft() (err error) {
	logger := newRaftLogger(r.log, "raft")
	r.trans = raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  r.peers.streamLayer(),
		MaxPool: 4,
		Timeout: 5 * time.Second,
		Logger:  logger.Named("net"),
	})
	r.transport = newTransport(r.ctx, r.trans, r.peers, r.confirmed.Load, r.cfg.Full)
	r.transport.term = func() uint64 { return r.raft.CurrentTerm() }

	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(r.cfg.ID)
	c.Logger = logger
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = r.cfg.Heartbeat, r.cfg.Heartbeat, r.cfg.Heartbeat/2
	c.CommitTimeout = 20 * time.Millisecond
	// 128 entries of 256 KiB are 32 MiB; larger ones are cut by the transport.
	c.MaxAppendEntries = maxAppendBytes / maxEntryBytes
	c.BatchApplyCh = true
	c.SnapshotThreshold = r.cfg.SnapshotEntries
	c.TrailingLogs = r.cfg.TrailingLogs
	c.SnapshotInterval = r.cfg.SnapshotInterval
	if c.SnapshotInterval < 0 {
		c.SnapshotInterval = 100 * 365 * 24 * time.Hour
	}
	if r.cfg.Dir == "" {
		c.TrailingLogs = 64 // nobody will ever ask for them
	}
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	if r.raft, err = raft.NewRaft(c, r.machine, r.storage.logs, r.storage.stable, r.storage.snapshots, r.transport); err != nil {
		return fmt.Errorf("start raft: %w", err)
	}
	r.goFunc(r.transport.filter)
	close(r.started)
	return nil
}

// fail reports the first fatal error; the process must end.
func (r *Replica) fail(err error) {
	select {
	case r.fatal <- err:
	default:
	}
}

// Fatal delivers the error after which this node must stop serving and exit.
func (r *Replica) Fatal() <-chan error { return r.fatal }

// adoptCluster makes the cluster's id durable and known to the peer port. It
// runs on the apply goroutine or, for a node that joins, before any entry.
func (r *Replica) adoptCluster(c clusterID) error {
	known := r.identity.cluster().known()
	if err := r.identity.setCluster(c); err != nil {
		return err
	}
	if !known {
		r.log.Info("this node belongs to cluster", "cluster", c.String())
	}
	return nil
}

func (r *Replica) goFunc(f func()) {
	r.wg.Add(1)
	go func() {
		defer r.wg.Done()
		f()
	}()
}

// Close hands over leadership, refuses what waits, and stops: network first,
// then raft, then the stores. ctx bounds the handover.
func (r *Replica) Close(ctx context.Context) (err error) {
	r.once.Do(func() {
		r.handOver(ctx)
		err = r.stop()
	})
	return err
}

// handOver moves leadership away while the cluster is whole, so that nobody
// has to find out by a timeout.
func (r *Replica) handOver(ctx context.Context) {
	if r.raft.State() != raft.Leader || len(r.voters()) < 2 {
		return
	}
	done := make(chan error, 1)
	go func() { done <- r.raft.LeadershipTransfer().Error() }()
	select {
	case err := <-done:
		if err != nil {
			r.log.Warn("leadership was not handed over", "error", err)
		}
	case <-ctx.Done():
	}
}

// stop ends whatever Open has started.
func (r *Replica) stop() error {
	r.queue.close()
	r.cancel()
	var errs []error
	if r.trans != nil {
		errs = append(errs, r.trans.Close())
	}
	if r.peers != nil {
		errs = append(errs, r.peers.close())
	}
	if r.raft != nil {
		errs = append(errs, r.raft.Shutdown().Error())
	}
	close(r.dead)
	r.wg.Wait()
	if r.storage != nil {
		errs = append(errs, r.storage.close())
	}
	return errors.Join(errs...)
}
