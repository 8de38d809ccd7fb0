package kernel

// level is a set of instructions. A machine that has one has those before it.
type level int

const (
	levelGo level = iota
	levelAVX2
	levelAVX512
)

func (l level) String() string { return [...]string{"go", "avx2", "avx512vnni"}[l] }

// Features names the instructions that the kernels use, for logs and
// benchmarks: "avx512vnni", "avx2" or "go".
func Features() string { return active.String() }
