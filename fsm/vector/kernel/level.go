package kernel

// level is a set of instructions. A machine that has one has those before it.
type level int

const (
	levelGo level = iota
	levelAVX2
)

func (l level) String() string { return [...]string{"go", "avx2"}[l] }

// Features names the instructions that the kernels use, for logs and
// benchmarks: "avx2" or "go".
func Features() string { return active.String() }

// chunk is how many rows one call into assembly takes at most. The scheduler
// can not interrupt assembly, and a stop of the world waits for it.
const chunk = 256
