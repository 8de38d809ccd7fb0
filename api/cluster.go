package api

import (
	"net/http"

	"github.com/go-json-experiment/json"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm"
)

func (s *Server) getCluster(rw *response, r *http.Request) error {
	ctx, cancel := s.deadline(r)
	defer cancel()
	view, err := s.node.Cluster(ctx)
	if err != nil {
		return err
	}
	return rw.sendValue(view)
}

// sendValue answers with a value of a route that is not called often.
func (rw *response) sendValue(v any) error {
	out, err := json.Marshal(v)
	if err != nil {
		return err
	}
	rw.out = append(rw.out[:0], out...)
	rw.sendJSON(http.StatusOK)
	return nil
}

func (rw *response) sendOK() error {
	rw.out = append(rw.out[:0], `{"ok":true}`...)
	rw.sendJSON(http.StatusOK)
	return nil
}

// newMember is the body that adds a member.
type newMember struct {
	id, address string
	voter       bool
}

func (s *Server) addMember(rw *response, r *http.Request) error {
	body, err := rw.readJSON(r)
	if err != nil {
		return err
	}
	m, err := s.decodeMember(body)
	if err != nil {
		return err
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	if err := s.node.AddMember(ctx, m.id, m.address, m.voter); err != nil {
		return err
	}
	return rw.sendOK()
}

func (s *Server) decodeMember(body []byte) (newMember, error) {
	obj, err := object(body, "the body")
	if err != nil {
		return newMember{}, err
	}
	m := newMember{voter: true}
	var id, address []byte
	for obj.next() {
		name := obj.member()
		v := obj.value()
		var err error
		switch string(name) {
		case "id":
			id, err = v.text("id")
		case "address":
			address, err = v.text("address")
		case "voter":
			m.voter, err = v.optionalBool("voter", true)
		}
		if err != nil {
			return newMember{}, err
		}
	}
	switch {
	case id == nil:
		return newMember{}, unprocessable("id is missing")
	case address == nil:
		return newMember{}, unprocessable("address is missing")
	}
	m.id, m.address = string(id), string(address)
	if err := s.checkMemberText("address", m.address); err != nil {
		return newMember{}, err
	}
	return m, s.checkMemberText("id", m.id)
}

// checkMemberText bounds what names a member.
func (s *Server) checkMemberText(what, text string) error {
	if text == "" {
		return fault.New(fault.InvalidArgument, "%s is empty", what)
	}
	return checkLength(what, len(text), s.cfg.MaxIDLen)
}

func (s *Server) removeMember(rw *response, r *http.Request) error {
	id, err := pathParam(r, "id")
	if err != nil {
		return err
	}
	if err := s.checkMemberText("id", id); err != nil {
		return err
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	if err := s.node.RemoveMember(ctx, id); err != nil {
		return err
	}
	rw.out = append(rw.out[:0], `{"deleted":true}`...)
	rw.sendJSON(http.StatusOK)
	return nil
}

// transferLeadership takes a body that may be left out.
func (s *Server) transferLeadership(rw *response, r *http.Request) error {
	id := ""
	if r.ContentLength != 0 {
		body, err := rw.readJSON(r)
		if err != nil {
			return err
		}
		if id, err = s.decodeLeader(body); err != nil {
			return err
		}
	}
	ctx, cancel := s.deadline(r)
	defer cancel()
	if err := s.node.TransferLeadership(ctx, id); err != nil {
		return err
	}
	return rw.sendOK()
}

func (s *Server) decodeLeader(body []byte) (string, error) {
	obj, err := object(body, "the body")
	if err != nil {
		return "", err
	}
	id := ""
	for obj.next() {
		name := obj.member()
		v := obj.value()
		if string(name) != "id" || v.isNull() {
			continue
		}
		text, err := v.text("id")
		if err != nil {
			return "", err
		}
		if id = string(text); id == "" {
			return "", fault.New(fault.InvalidArgument, "id is empty")
		}
	}
	return id, checkLength("id", len(id), s.cfg.MaxIDLen)
}

// checksum is a checksum as clients see it.
type checksum struct {
	Index  uint64 `json:"index"`
	Offset uint64 `json:"offset"`
	Hash   string `json:"hash"`
}

func newChecksum(sum fsm.Checksum) checksum {
	return checksum{Index: sum.Index, Offset: sum.Offset, Hash: sum.Hash}
}

func (s *Server) addChecksum(rw *response, r *http.Request) error {
	ctx, cancel := s.deadline(r)
	defer cancel()
	sum, err := s.node.Checksum(ctx)
	if err != nil {
		return err
	}
	rw.setOffset(sum.Offset)
	return rw.sendValue(newChecksum(sum))
}

func (s *Server) listChecksums(rw *response, _ *http.Request) error {
	sums := []checksum{}
	for _, sum := range s.node.Checksums() {
		sums = append(sums, newChecksum(sum))
	}
	rw.setOffset(s.node.Offset())
	return rw.sendValue(sums)
}
