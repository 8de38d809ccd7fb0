package replication

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Every connection between nodes begins with a preface of the side that
// dialed and a reply of the side that accepted; nothing else is sent before.
// The head of both is the same in every version, so that nodes of different
// versions can still tell each other why they part:
//
//	magic    8 bytes  "KISSPEER"
//	version  u16
//	code     u8       preface: kind of connection; reply: status
//	length   u16      of the body
//
// Body of version 1 (integers big-endian):
//
//	cluster  16 bytes, zero = not known yet
//	founding  8 bytes, hash of the founding list, zero = none
//	boot     u64
//	node     u8 length and bytes: the sender
//	want     u8 length and bytes: whom the dialer means to reach, empty = whoever is there

const (
	peerMagic      = "KISSPEER"
	peerVersion    = 1
	prefaceHeadLen = len(peerMagic) + 2 + 1 + 2
	prefaceFixed   = 16 + 8 + 8
	maxPrefaceBody = prefaceFixed + 2*(1+255)
)

// connKind is what a connection is for.
type connKind uint8

const (
	kindRaft  connKind = iota + 1 // raft's own messages
	kindRPC                       // our calls
	kindProbe                     // only to see whether somebody answers
)

// status is the answer to a preface.
type status uint8

const (
	statusOK status = iota
	statusWrongCluster
	statusWrongNode     // the dialer meant somebody else, or bears this node's own name
	statusUnknownMember // not in the configuration
	statusWrongVersion
	statusBusy // too many connections, or closing
)

var statusNames = [...]string{
	statusOK:            "ok",
	statusWrongCluster:  "another cluster",
	statusWrongNode:     "another node",
	statusUnknownMember: "not a member",
	statusWrongVersion:  "another protocol version",
	statusBusy:          "too many connections",
}

func (s status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// preface is what a node says of itself at the beginning of a connection.
// want and kind have no meaning in a reply.
type preface struct {
	kind     connKind
	cluster  clusterID
	founding [8]byte
	boot     uint64
	node     string
	want     string
}

var (
	errNotPeer        = errors.New("not the preface of a peer")
	errPeerVersion    = errors.New("another protocol version")
	errPrefaceTooLong = errors.New("a node id is longer than 255 bytes")
)

// appendPreface appends p with code, which is its kind or a status.
func appendPreface(dst []byte, code uint8, p preface) ([]byte, error) {
	if len(p.node) > 255 || len(p.want) > 255 {
		return nil, errPrefaceTooLong
	}
	dst = append(dst, peerMagic...)
	dst = binary.BigEndian.AppendUint16(dst, peerVersion)
	dst = append(dst, code)
	dst = binary.BigEndian.AppendUint16(dst, uint16(prefaceFixed+1+len(p.node)+1+len(p.want)))
	dst = append(dst, p.cluster[:]...)
	dst = append(dst, p.founding[:]...)
	dst = binary.BigEndian.AppendUint64(dst, p.boot)
	dst = append(append(dst, uint8(len(p.node))), p.node...)
	return append(append(dst, uint8(len(p.want))), p.want...), nil
}

// readPreface reads exactly one preface and returns it with its code. With
// errPeerVersion the code is valid and the preface is not.
func readPreface(r io.Reader) (code uint8, p preface, err error) {
	var buf [prefaceHeadLen + maxPrefaceBody]byte
	head := buf[:prefaceHeadLen]
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, p, err
	}
	if string(head[:len(peerMagic)]) != peerMagic {
		return 0, p, errNotPeer
	}
	rest := head[len(peerMagic):]
	code = rest[2]
	length := int(binary.BigEndian.Uint16(rest[3:]))
	if binary.BigEndian.Uint16(rest) != peerVersion {
		// What is left unread when a connection closes destroys the answer.
		_, err := io.CopyN(io.Discard, r, int64(length))
		return code, p, errors.Join(errPeerVersion, err)
	}
	if length > maxPrefaceBody {
		return 0, p, errNotPeer
	}
	body := buf[prefaceHeadLen : prefaceHeadLen+length]
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, p, err
	}
	p, err = decodePrefaceBody(body)
	return code, p, err
}

func decodePrefaceBody(b []byte) (p preface, err error) {
	if len(b) < prefaceFixed {
		return p, errNotPeer
	}
	copy(p.cluster[:], b)
	copy(p.founding[:], b[16:])
	p.boot = binary.BigEndian.Uint64(b[24:])
	b = b[prefaceFixed:]
	for _, s := range []*string{&p.node, &p.want} {
		if len(b) == 0 || len(b) < 1+int(b[0]) {
			return preface{}, errNotPeer
		}
		*s, b = string(b[1:1+int(b[0])]), b[1+int(b[0]):]
	}
	if len(b) != 0 || p.node == "" {
		return preface{}, errNotPeer
	}
	return p, nil
}

// judge is what self has to say about the other side's preface, before any
// policy: names and clusters must not contradict each other.
func judge(self, other preface) status {
	switch {
	case other.want != "" && other.want != self.node, other.node == self.node:
		return statusWrongNode
	case other.cluster.known() && self.cluster.known() && other.cluster != self.cluster:
		return statusWrongCluster
	}
	return statusOK
}

// refusedError tells that a peer answered and one of the two sides does not
// want to speak with the other.
type refusedError struct {
	status status
	byUs   bool
	remote preface // as far as it is known
}

func (e *refusedError) Error() string {
	who := "the peer"
	if e.byUs {
		who = "this node"
	}
	msg := fmt.Sprintf("%s refused the connection: %s", who, e.status)
	if e.remote.node != "" {
		msg += fmt.Sprintf(" (the peer is node %q", e.remote.node)
		if e.remote.cluster.known() {
			msg += " of cluster " + e.remote.cluster.String()
		}
		msg += ")"
	}
	return msg
}

// offer is the dialer's half of the handshake on a fresh connection whose
// deadline is set. It returns the peer's reply, which is valid also with a
// *refusedError.
func offer(rw io.ReadWriter, self preface, admit func(preface) status) (preface, error) {
	b, err := appendPreface(nil, uint8(self.kind), self)
	if err != nil {
		return preface{}, err
	}
	if _, err := rw.Write(b); err != nil {
		return preface{}, fmt.Errorf("send preface: %w", err)
	}
	code, remote, err := readPreface(rw)
	switch {
	case errors.Is(err, errPeerVersion):
		return preface{}, &refusedError{status: statusWrongVersion}
	case err != nil:
		return preface{}, fmt.Errorf("read the reply to the preface: %w", err)
	case status(code) != statusOK:
		return remote, &refusedError{status: status(code), remote: remote}
	}
	st := judge(self, remote)
	if self.want != "" && remote.node != self.want {
		st = statusWrongNode
	}
	if st == statusOK {
		remote.kind = self.kind
		st = admit(remote)
	}
	if st != statusOK {
		return remote, &refusedError{status: st, byUs: true, remote: remote}
	}
	return remote, nil
}

// reply sends the accepting side's answer.
func reply(w io.Writer, st status, self preface) error {
	self.want = ""
	b, err := appendPreface(nil, uint8(st), self)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}
