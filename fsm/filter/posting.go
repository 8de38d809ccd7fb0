package filter

import "github.com/RoaringBitmap/roaring/v2"

// maxFew is how many rows a posting keeps in a slice.
const maxFew = 16

// posting is the rows that have one value: at least one.
type posting struct {
	value string // canonical
	rank  rank
	first uint32
	last  uint32
	more  *rows // those after the first; nil if there are none
}

// rows are in a slice while they are few, then in a bitmap.
type rows struct {
	few  []uint32 // ascending
	many *roaring.Bitmap
}

// add adds a row that is not below the last one. It tells by how many bytes
// the posting grew, and whether it had to begin a bitmap, which is not among
// them.
func (p *posting) add(row uint32) (bytes int64, began bool) {
	if row == p.last {
		return 0, false // an array has this element twice
	}
	p.last = row
	if p.more == nil {
		p.more = &rows{few: []uint32{row}}
		return rowsBytes + 4, false
	}
	m := p.more
	if m.many != nil {
		m.many.Add(row)
		return 0, false
	}
	before := cap(m.few)
	if len(m.few) < maxFew {
		m.few = append(m.few, row)
		return int64(cap(m.few)-before) * 4, false
	}
	m.many = roaring.BitmapOf(m.few...)
	m.many.Add(row)
	m.few = nil
	return int64(-before) * 4, true
}

// addTo sets the posting's rows below n in dst, which is sized for n.
func (p *posting) addTo(dst Bitmap, n uint32, scratch *Bitmap) {
	if p.first >= n {
		return
	}
	dst.set(p.first)
	switch {
	case p.more == nil:
	case p.more.many != nil:
		p.more.addMany(dst, n, scratch)
	default:
		for _, row := range p.more.few {
			if row >= n {
				return
			}
			dst.set(row)
		}
	}
}

func (r *rows) addMany(dst Bitmap, n uint32, scratch *Bitmap) {
	// Whole words are faster where there is more than a row in every four of them.
	if words := r.many.DenseSize(); r.many.GetCardinality() > words/4 {
		*scratch = scratch.sized(uint32(words * 64))
		r.many.WriteDenseTo(*scratch)
		dst.Or(*scratch)
		dst.trim(n)
		return
	}
	r.many.Iterate(func(row uint32) bool {
		if row >= n {
			return false
		}
		dst.set(row)
		return true
	})
}
