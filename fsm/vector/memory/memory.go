// Package memory makes large slices on huge pages. Search jumps about in
// hundreds of megabytes; with pages of 4 KiB, a good part of its time goes
// into finding where they are.
package memory

import "unsafe"

// hugePage is the size of a huge page on the machines that matter.
const hugePage = 2 << 20

// Make returns a slice of n zeros, on huge pages as far as it is large enough
// and the system grants them. It belongs to the garbage collector like any
// other.
func Make[T byte | uint32 | float32](n int) []T {
	s := make([]T, n)
	if size := uintptr(n) * unsafe.Sizeof(*new(T)); size >= 2*hugePage {
		advise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size))
	}
	return s
}
