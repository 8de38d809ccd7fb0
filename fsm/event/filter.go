package event

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/kissvdb/kissvdb/fault"
	"github.com/kissvdb/kissvdb/fsm/record"
)

// Filter chooses events of a stream. The zero Filter matches all of them. A
// Filter is a value that any number of goroutines may use.
type Filter struct {
	byType     bool
	types      [4]uint64 // a bit per record.EventType
	byKey      bool
	prefix     []byte
	collection []byte // nil for no choice
	document   []byte // "doc:{collection}:"
}

// ParseFilter makes a Filter from a stream's parameters, each with all the
// values that were sent for it: none means no choice. types values are comma
// separated names; a name of no type matches nothing and is no error, so that
// a client may ask an older node for newer types. The error is a *fault.Error.
func ParseFilter(types, keyPrefix, collection []string) (Filter, error) {
	var f Filter
	if len(types) > 0 {
		if err := f.setTypes(types); err != nil {
			return Filter{}, err
		}
	}
	if len(keyPrefix) > 0 {
		prefix, err := single("key_prefix", keyPrefix)
		if err != nil {
			return Filter{}, err
		}
		f.byKey, f.prefix = true, []byte(prefix)
	}
	if len(collection) > 0 {
		name, err := single("collection", collection)
		if err != nil {
			return Filter{}, err
		}
		if !record.CollectionName(name) {
			return Filter{}, fault.New(fault.InvalidArgument, "collection must be made of A-Z a-z 0-9 _ . - and not start with a dot")
		}
		f.collection, f.document = []byte(name), []byte("doc:"+name+":")
	}
	return f, nil
}

func (f *Filter) setTypes(lists []string) error {
	f.byType = true
	named := false
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			named = named || name != ""
			if t, ok := record.ParseEventType(name); ok {
				f.types[t/64] |= 1 << (t % 64)
			}
		}
	}
	if !named {
		return fault.New(fault.InvalidArgument, "types must name at least one type")
	}
	return nil
}

func single(name string, values []string) (string, error) {
	if len(values) > 1 {
		return "", fault.New(fault.InvalidArgument, "%s may be given once", name)
	}
	if !utf8.ValidString(values[0]) {
		return "", fault.New(fault.InvalidArgument, "%s must be UTF-8", name)
	}
	return values[0], nil
}

// Match reports whether the stream has e. It does not allocate.
func (f *Filter) Match(e *Event) bool {
	if f.byType && f.types[e.Type/64]&(1<<(e.Type%64)) == 0 {
		return false
	}
	if f.byKey && (len(e.Key) == 0 || !bytes.HasPrefix(e.Key, f.prefix)) {
		return false
	}
	return f.collection == nil || f.inCollection(e)
}

// inCollection reports whether e is of a document, or of a vector collection
// or a point in it, that the filter's collection holds.
func (f *Filter) inCollection(e *Event) bool {
	if len(e.Key) == 0 {
		return bytes.Equal(e.Collection, f.collection) // which is not empty
	}
	// The collection holds no colon, so this is what Event.Document splits off.
	return len(e.Key) > len(f.document) && bytes.HasPrefix(e.Key, f.document)
}
