# Prints how two sides compare where recall is high enough: awk -f ratios.awk PEER OURS
#
# Both files have lines of Go's benchmarks: Name/SET/...  N  value unit  value unit ... with the units recall@10, QPS
# and QPSmin. A line that is there several times counts with its best speed. Each of our packages is compared by
# itself. "spread" is the slowest of the peer's runs of its best line, as a part of the fastest: far below 1, the
# machine was not quiet.

FNR == 1 {
  side++
  package = side == 1 ? "peer" : "ours"
}

/^pkg: / {
  package = $2
  sub(/.*\//, "", package)
}

/^Benchmark/ {
  line = $1
  sub(/-[0-9]+$/, "", line) # GOMAXPROCS
  if (split(line, part, "/") < 2) next
  delete value
  for (i = 3; i < NF; i += 2) value[$(i + 1)] = $i
  if (!("recall@10" in value)) next
  key = package SUBSEP line
  if (side == 2 && !(package in compared)) {
    compared[package] = 1
    packages[++package_count] = package
  }
  if (!(key in recall) || value["recall@10"] + 0 < recall[key]) recall[key] = value["recall@10"] + 0
  if (value["QPS"] + 0 > qps[key]) qps[key] = value["QPS"] + 0
  if (value["QPSmin"] + 0 > fast[key]) fast[key] = value["QPSmin"] + 0
  if (!(key in slow) || value["QPSmin"] + 0 < slow[key]) slow[key] = value["QPSmin"] + 0
  set_of[key] = part[2]
  if (!(part[2] in known)) {
    known[part[2]] = 1
    sets[++count] = part[2]
  }
}

# best returns the key of the fastest line of a package and a set at a floor of recall.
function best(package, set, floor,    key, found, part) {
  found = ""
  for (key in recall) {
    split(key, part, SUBSEP)
    if (part[1] == package && set_of[key] == set && recall[key] >= floor && (found == "" || fast[key] > fast[found])) found = key
  }
  return found
}

function show(key,    part) {
  if (key == "") return "none"
  split(key, part, SUBSEP)
  sub(/^[^\/]*\/[^\/]*\//, "", part[2])
  return sprintf("%s %.4f %d", part[2], recall[key], fast[key])
}

function ratio(set, floor, package,    a, b) {
  a = best("peer", set, floor / 100)
  b = best(package, set, floor / 100)
  printf "%-10s >= .%d  %-26s %-8s %-26s ", set, floor, show(a), package, show(b)
  if (a == "" || b == "") print "      -"
  else printf "%6.2fx %6.2fx %7.2f\n", fast[b] / fast[a], qps[b] / qps[a], slow[a] / fast[a]
}

END {
  printf "\n%-10s %-7s %-26s %-8s %-26s %7s %7s %7s\n", "set", "recall", "peer: line, recall, QPSmin", "package", "ours: line, recall, QPSmin", "QPSmin", "QPS", "spread"
  for (i = 1; i <= count; i++) {
    for (j = 1; j <= package_count; j++) {
      ratio(sets[i], 95, packages[j])
      ratio(sets[i], 99, packages[j])
    }
  }
}
