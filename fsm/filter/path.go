package filter

// want asks for the value at a path, from some object on.
type want struct {
	path string // what is left of it
	slot int    // where the value goes
}

// walk finds the values of any number of paths in one pass over a document.
type walk struct {
	values []string // by slot; empty = not found
	levels []int    // by slot: how many objects deep the value's field is
	open   int      // slots whose value may still be found, or found less deep
}

// object takes the object that starts at s, level objects deep, and looks in
// it for wants. It stops early once no slot is open.
func (w *walk) object(s *scanner, wants []want, level int) {
	var few [4]want // outside the loop, so that it stays on the stack
	for s.next() {
		name := s.name()
		inner := appendInner(few[:0], wants, name)
		c := s.peek()
		start := s.at
		if c == '{' && len(inner) > 0 {
			w.object(s, inner, level+1)
		} else {
			s.value()
		}
		for i := range wants {
			if wants[i].path == name {
				w.found(wants[i].slot, s.text[start:s.at], level)
			}
		}
		if w.open == 0 {
			return
		}
	}
}

// appendInner appends those of wants whose path leads into the field name.
func appendInner(inner, wants []want, name string) []want {
	for i := range wants {
		path := wants[i].path
		if len(path) > len(name) && path[len(name)] == '.' && path[:len(name)] == name && !hasDot(name) {
			inner = append(inner, want{path: path[len(name)+1:], slot: wants[i].slot})
		}
	}
	return inner
}

func hasDot(name string) bool {
	for i := range len(name) {
		if name[i] == '.' {
			return true
		}
	}
	return false
}

// found notes the value of a slot, unless it has one from an object less deep:
// there the field has the very name that was left of the path.
func (w *walk) found(slot int, value string, level int) {
	if w.values[slot] != "" && w.levels[slot] <= level {
		return
	}
	w.values[slot], w.levels[slot] = value, level
	if level == 0 {
		w.open--
	}
}

// find returns the value at a path of a document; empty if there is none.
func find(doc, path string) string {
	var (
		value [1]string
		level [1]int
		w     = walk{values: value[:], levels: level[:], open: 1}
		wants = [1]want{{path: path}}
		s     = scanner{text: doc}
	)
	if s.peek() == '{' {
		w.object(&s, wants[:], 0)
	}
	return value[0]
}

// Lookup returns the canonical form of the value at a dotted path of doc,
// which is valid JSON or empty for null; ok is false if there is none. Equal
// values, and only those, have the same canonical form. It is JSON itself.
func Lookup[T ~string | ~[]byte](doc T, path string) (form string, ok bool) {
	value := find(string(doc), path)
	if value == "" {
		return "", false
	}
	return canonical(value), true
}
