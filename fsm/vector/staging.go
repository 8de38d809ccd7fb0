package vector

// begin holds off the maintenance until the entry is committed or aborted.
func (s *Store) begin() {
	if !s.locked {
		s.mu.Lock()
		s.locked = true
	}
}

func (s *Store) end() {
	if s.locked {
		s.locked = false
		s.mu.Unlock()
	}
}

// latest returns a collection as the entry's earlier records left it.
func (s *Store) latest(name []byte) (*collection, bool) {
	if len(s.staged) > 0 {
		if c, ok := s.staged[string(name)]; ok {
			return c, c != nil
		}
	}
	c, ok := s.collections[string(name)]
	return c, ok
}

// Flush writes what was staged to the files. It is to be called before
// Commit, with readers still served.
func (s *Store) Flush() error {
	for _, c := range s.touched {
		if err := c.data.Load().file.flush(); err != nil {
			return err
		}
	}
	return nil
}

// Commit makes what was staged visible. The caller excludes readers.
func (s *Store) Commit() {
	if !s.locked {
		return
	}
	for _, c := range s.touched {
		c.data.Load().commit()
		c.figures = c.staged
		c.upkeep.wrote()
	}
	for name, c := range s.staged {
		if c == nil {
			delete(s.collections, name)
		} else {
			s.collections[name] = c
		}
	}
	for _, c := range s.dropped {
		s.keeper.drop(c)
	}
	if len(s.touched) > 0 {
		s.keeper.wake()
	}
	clear(s.staged)
	clear(s.touched)
	clear(s.dropped)
	s.touched, s.dropped = s.touched[:0], s.dropped[:0]
	s.end()
}

// Abort gives up, after an error: the store must not be used further, but may
// be closed.
func (s *Store) Abort() { s.end() }
