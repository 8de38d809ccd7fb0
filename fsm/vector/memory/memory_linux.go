package memory

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// advise asks for huge pages for what of b lies on whole ones. It is a wish,
// and to be made before b is written to.
func advise(b []byte) {
	start := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	from := (hugePage - start%hugePage) % hugePage
	whole := (uintptr(len(b)) - from) / hugePage * hugePage
	_ = unix.Madvise(b[from:from+whole], unix.MADV_HUGEPAGE)
}
