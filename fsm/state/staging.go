package state

// maxStagingKept is how many staged changes keep their memory for the next
// entry: clearing the table costs its size, which one huge batch must not
// make every later entry pay.
const maxStagingKept = 4096

// staging holds the changes of one entry until they are committed: in order,
// so that the newest of them can be taken back, and by key, so that a later
// record of the entry sees what the earlier ones did.
type staging struct {
	changes []change
	newest  map[string]int // key -> its last place in changes
}

type change struct {
	key    string
	item   *Item // nil: removed
	before int   // the key's place in changes before this one; -1 for none
}

func newStaging() staging { return staging{newest: map[string]int{}} }

// get returns the staged item of key, nil when it is removed; ok is false
// when the entry did not touch the key.
func (t *staging) get(key string) (item *Item, ok bool) {
	if len(t.changes) == 0 {
		return nil, false
	}
	i, ok := t.newest[key]
	if !ok {
		return nil, false
	}
	return t.changes[i].item, true
}

func (t *staging) add(key string, item *Item) {
	before, ok := t.newest[key]
	if !ok {
		before = -1
	}
	t.newest[key] = len(t.changes)
	t.changes = append(t.changes, change{key: key, item: item, before: before})
}

// undo takes back every change after the first n.
func (t *staging) undo(n int) {
	for i := len(t.changes) - 1; i >= n; i-- {
		c := &t.changes[i]
		if c.before < 0 {
			delete(t.newest, c.key)
		} else {
			t.newest[c.key] = c.before
		}
	}
	clear(t.changes[n:])
	t.changes = t.changes[:n]
}

func (t *staging) reset() {
	if cap(t.changes) > maxStagingKept {
		*t = newStaging()
		return
	}
	clear(t.newest)
	clear(t.changes)
	t.changes = t.changes[:0]
}
