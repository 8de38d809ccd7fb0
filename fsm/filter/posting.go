package filter

import "github.com/RoaringBitmap/roaring/v2"

// maxFew is how many rows a posting keeps in a slice.
const maxFew = 16

// posting is the rows that have one value.
type posting struct {
	value string          // canonical
	few   []uint32        // ascending; nil once there are many
	many  *roaring.Bitmap // nil while there are few
	last  uint32          // the newest row
}

// add adds a row that is not below the newest one, and tells whether it had to
// begin a bitmap.
func (p *posting) add(row uint32) (began bool) {
	if row == p.last && (p.many != nil || len(p.few) > 0) {
		return false // an array has this element twice
	}
	p.last = row
	switch {
	case p.many != nil:
		p.many.Add(row)
	case len(p.few) < maxFew:
		p.few = append(p.few, row)
	default:
		p.many = roaring.BitmapOf(p.few...)
		p.many.Add(row)
		p.few = nil
		return true
	}
	return false
}

// addTo sets the posting's rows below n in dst, which is sized for n.
func (p *posting) addTo(dst Bitmap, n uint32, scratch *Bitmap) {
	if p.many == nil {
		for _, row := range p.few {
			if row >= n {
				return
			}
			dst.set(row)
		}
		return
	}
	// Whole words are faster where there is more than a row in every few of them.
	if size := p.many.DenseSize(); p.many.GetCardinality() > size/4 {
		*scratch = scratch.sized(p.last + 1)
		p.many.WriteDenseTo(*scratch)
		dst.Or(*scratch)
		dst.trim(n)
		return
	}
	p.many.Iterate(func(row uint32) bool {
		if row >= n {
			return false
		}
		dst.set(row)
		return true
	})
}
