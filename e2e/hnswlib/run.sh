#!/usr/bin/env bash
# Measures hnswlib beside the vector search of this repository, on one machine, in one run.
#
#   run.sh peer    DATA INDEXES   hnswlib alone: recall and speed for every ef
#   run.sh compare DATA INDEXES   hnswlib, ours, hnswlib again, and the ratios where recall is high enough
#
# DATA has SET.base.vf32, SET.query.vf32 and SET.truth.vgt (see bench.cc) for every set. INDEXES is where hnswlib's
# graphs are kept: what is missing there is built once, which takes minutes, and used again. Needs Debian's g++ and
# libhnswlib-dev, which is installed when it is missing, and Go for ours.
#
# Variables: SETS, EFS (of hnswlib), ROUNDS (how often ours runs, each between two runs of hnswlib; the best of all
# rounds counts on both sides), BENCH and PACKAGES (which of our benchmarks), THREADS (of building).
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
sets=${SETS:-glove100 synth384}
efs=${EFS:-10 12 16 20 24 28 32 40 48 56 64 80 96 112 128 160 192 256 320 384 448 512}
rounds=${ROUNDS:-1}
bench=${BENCH:-^BenchmarkSearch$}
packages=${PACKAGES:-./fsm/vector/...}
threads=${THREADS:-1}

usage() { sed -n '2,14s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 3 ] || usage
data=$(cd "$2" && pwd)
mkdir -p "$3"
indexes=$(cd "$3" && pwd)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile() {
  if [ ! -f /usr/include/hnswlib/hnswlib.h ]; then
    apt-get install -y --no-install-recommends libhnswlib-dev g++ >&2
  fi
  g++ -O3 -march=native -std=c++17 -o "$work/bench" "$repository/e2e/hnswlib/bench.cc" -pthread
}

# With large pages hnswlib is up to a tenth faster, so it gets them.
hnswlib() { GLIBC_TUNABLES=glibc.malloc.hugetlb=1 "$work/bench" "$@"; }

index() { echo "$indexes/$1-$threads.hnsw"; }

# build makes the missing graphs, under another name until they are whole.
build() {
  local set file
  for set in $sets; do
    file=$(index "$set")
    [ -f "$file" ] && continue
    hnswlib build "$data" "$set" "$file.part" "$threads"
    mv "$file.part" "$file"
  done
}

peer() {
  local set
  for set in $sets; do
    # shellcheck disable=SC2086 # one word for each ef
    hnswlib search "$data" "$set" "$(index "$set")" $efs
  done
}

ours() {
  # shellcheck disable=SC2086 # one word for each package
  (cd "$repository" && KISSVDB_VECTOR_DATA=$data go test -run '^$' -bench "$bench" -timeout 2h $packages)
}

# record SIDE COMMAND runs a side, shows its lines and keeps them.
record() {
  local side=$1
  shift
  echo "# $side, load $(cut -d ' ' -f 1 /proc/loadavg)"
  "$@" | tee "$work/output"
  grep -e '^pkg: ' -e '^Benchmark.*recall@10' "$work/output" >>"$work/$side"
}

compare() {
  local round
  record peer peer
  for ((round = 0; round < rounds; round++)); do
    record ours ours
    record peer peer
  done
  awk -f "$repository/e2e/hnswlib/ratios.awk" "$work/peer" "$work/ours"
}

case $1 in peer | compare) ;; *) usage ;; esac
compile
build
"$1"
