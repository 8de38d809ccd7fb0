package event

import (
	"errors"
	"io"
	"sort"

	"github.com/klauspost/compress/zstd"

	"github.com/kissvdb/kissvdb/fsm/record"
)

// reader is a place in one segment. It holds no file, so that a cursor may
// keep it between two calls; each call brings the file.
type reader struct {
	seg   *segment
	next  uint64 // offset of the record that frame returns next
	buf   []byte // frames that were read and not yet returned
	pos   int64  // raw: file position behind buf
	block int    // sealed: the block behind buf

	reuse   bool // frames are valid only until the next call
	scratch []byte
}

// memory returns n bytes to read into: new ones, as events hold on to them,
// unless the frames are only looked at.
func (r *reader) memory(n int) []byte {
	if !r.reuse {
		return make([]byte, n)
	}
	if cap(r.scratch) < n {
		r.scratch = make([]byte, n)
	}
	return r.scratch[:n]
}

// seek goes to the nearest indexed place at or before offset.
func (r *reader) seek(seg *segment, offset uint64) {
	*r = reader{seg: seg, reuse: r.reuse, scratch: r.scratch}
	if !seg.sealed {
		m := seg.index.before(offset)
		r.next, r.pos = m.offset, m.pos
		return
	}
	r.block = sort.Search(len(seg.blocks), func(i int) bool { return seg.blocks[i].first > offset }) - 1
	r.block = max(r.block, 0)
	r.next = seg.first
	if r.block < len(seg.blocks) {
		r.next = seg.blocks[r.block].first
	}
}

// frame returns the next record's frame, checked. It returns io.EOF at the end
// of the last whole record, ErrCorrupt (wrapped) for anything else that is no
// record. After an error the reader must be sought again.
func (r *reader) frame(f io.ReaderAt, dec *zstd.Decoder) ([]byte, error) {
	for {
		frame, need, err := parseFrame(r.buf)
		if err == nil {
			r.buf = r.buf[need:]
			r.next++
			return frame, nil
		}
		if !errors.Is(err, errShort) {
			return nil, err
		}
		if r.seg.sealed {
			err = r.fillBlock(f, dec)
		} else {
			err = r.fillRaw(f, need)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *reader) fillBlock(f io.ReaderAt, dec *zstd.Decoder) error {
	switch {
	case len(r.buf) != 0:
		return corruptf("a block ends inside a record")
	case r.block == len(r.seg.blocks):
		return io.EOF
	}
	k := r.seg.blocks[r.block]
	if k.first != r.next {
		return corruptf("block of offset %d where %d belongs", k.first, r.next)
	}
	raw, err := readBlock(f, dec, k, r.memory(int(k.raw)))
	if err != nil {
		return err
	}
	r.buf = raw
	r.block++
	return nil
}

// fillRaw reads on behind what is left in buf, up to need bytes if they are
// there. What a forged length asks for is read in steps, so that it cannot
// make much more memory be taken than the file has.
func (r *reader) fillRaw(f io.ReaderAt, need int) error {
	left := len(r.buf)
	buf := r.memory(max(indexEvery, min(need, 4*left)))
	copy(buf, r.buf)
	n, err := f.ReadAt(buf[left:], r.pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if n == 0 {
		if left == 0 {
			return io.EOF
		}
		return corruptf("the file ends inside a record")
	}
	r.buf = buf[:left+n]
	r.pos += int64(n)
	return nil
}

// rewind gives up what was read of a raw segment and not returned. Behind the
// visible head a read may have met a record that is just being written.
func (r *reader) rewind() {
	if !r.seg.sealed {
		r.pos -= int64(len(r.buf))
		r.buf = nil
	}
}

// events returns the events from..last, up to maxEvents of them or about
// maxBytes, and then on to the end of a transaction. The segment must hold
// last.
func (r *reader) events(f io.ReaderAt, dec *zstd.Decoder, from, last uint64, maxEvents, maxBytes int) ([]*Event, error) {
	defer r.rewind()
	var out []*Event
	bytes := 0
	for r.next <= last {
		offset := r.next
		frame, err := r.frame(f, dec)
		if errors.Is(err, io.EOF) {
			return nil, corruptf("the file ends before offset %d", offset)
		}
		if err != nil {
			return nil, err
		}
		e, err := decodeFrame(frame, offset)
		if err != nil {
			return nil, err
		}
		if offset < from {
			continue
		}
		out = append(out, &Event{Event: e})
		bytes += len(frame)
		if (len(out) >= maxEvents || bytes >= maxBytes) && out[len(out)-1].endsGroup() {
			break
		}
	}
	return out, nil
}

// scanned is one record that scan has met. Its bytes are valid only until the
// callback returns.
type scanned struct {
	event record.Event
	frame []byte
	pos   int64  // of the frame in a raw segment
	chain uint64 // hash chain after it
}

// scan reads a segment's records from its start up to offset last, checks
// everything about them and returns the hash chain after the last. Where last
// lies behind the end of the file it returns io.EOF and the chain there; after
// any error the chain is that of the records before it.
func scan(f io.ReaderAt, dec *zstd.Decoder, seg *segment, last uint64, fn func(*scanned) error) (chain uint64, err error) {
	r := reader{reuse: true}
	r.seek(seg, seg.first)
	s := scanned{chain: seg.chain}
	chain = seg.chain
	for r.next <= last {
		offset := r.next
		s.pos = r.pos - int64(len(r.buf))
		if s.frame, err = r.frame(f, dec); err != nil {
			return chain, err
		}
		if s.event, err = decodeFrame(s.frame, offset); err != nil {
			return chain, err
		}
		s.chain = nextChain(s.chain, s.frame[frameHeader:])
		if err = fn(&s); err != nil {
			return chain, err
		}
		chain = s.chain
	}
	return chain, nil
}
