// Package sq8 holds vectors in one byte per dimension.
package sq8

// Quantizer maps vectors to codes. It is immutable.
type Quantizer struct{}
