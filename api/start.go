package api

import (
	"net/http"
	"strconv"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/event"
)

// parseFilter returns which events a stream has.
func (s *Server) parseFilter(q query, prefixName string) (event.Filter, error) {
	prefix, _ := q.get(prefixName)
	if err := checkLength(prefixName, len(prefix), s.cfg.MaxKeyLen); err != nil {
		return event.Filter{}, err
	}
	collection, _ := q.get("collection")
	if err := checkLength("collection", len(collection), s.cfg.MaxCollectionLen); err != nil {
		return event.Filter{}, err
	}
	return event.ParseFilter(q.list("types"), q.list(prefixName), q.list("collection"))
}

// start says where a stream begins.
type start struct {
	after  uint64
	now    bool // after the newest event
	oldest bool // at the oldest event
}

// parseStart returns what Last-Event-ID says, else since. A header that is no
// number is ignored, as it always was: browsers send back whatever id they
// were last given, by whomever, and could not recover from an error.
func parseStart(r *http.Request, q query) (start, error) {
	since, given := q.get("since")
	var from start
	switch {
	case since == "now":
		from.now = true
	case since == "oldest":
		from.oldest = true
	case given:
		after, err := parseUint("since", since)
		if err != nil {
			return start{}, fault.New(fault.InvalidArgument, "since must be an offset, now or oldest, not %q", clip([]byte(since)))
		}
		from.after = after
	}
	if id, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		return start{after: id}, nil
	}
	return from, nil
}

func parseProgress(q query) (bool, error) {
	switch progress, given := q.get("progress"); {
	case !given, progress == "0":
		return false, nil
	case progress == "1":
		return true, nil
	default:
		return false, fault.New(fault.InvalidArgument, "progress must be 0 or 1, not %q", clip([]byte(progress)))
	}
}
