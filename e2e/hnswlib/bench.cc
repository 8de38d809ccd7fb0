// Measures hnswlib, the peer of the vector search, on sets of vectors with known neighbours.
//
//   bench build  DIR SET INDEX THREADS   builds a graph over DIR/SET.base.vf32 and saves it as INDEX
//   bench search DIR SET INDEX EF...     asks every query of the set, one thread, once per pass and ef
//
// Both print lines in the shape of Go's benchmarks. Of a search:
//   recall@10  the part of the ten true neighbours that was found, mean over the queries
//   QPS        queries per second of the best pass
//   QPSmin     1 / mean over the queries of the shortest time that each took in any pass: steadier on a machine
//              with other work
// Rows are of unit length, so that the inner product orders them as the cosine does.
//
// Files are little endian, as this program expects its machine to be.
//   *.vf32  "VF32", u32 version 1, u32 rows, u32 dimension, rows x dimension f32
//   *.vgt   "VGT1", u32 version 1, u32 queries, u32 depth, queries x depth u32 rows (best first), as many f32 scores

#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kNeighbours = 10;
constexpr size_t kM = 16;
constexpr size_t kEfConstruction = 200;
constexpr int kPasses = 5;
constexpr uint64_t kMostValues = uint64_t{1} << 32;

using Graph = hnswlib::HierarchicalNSW<float>;
using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

double ProcessorSeconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

// A table of a file: rows of equal length.
template <typename T>
struct Table {
  size_t rows = 0;
  size_t columns = 0;
  std::vector<T> values;

  const T* Row(size_t i) const { return values.data() + i * columns; }
};

// Reads the first table of a file. It throws when the file is not what its magic and its size say.
template <typename T>
Table<T> ReadTable(const std::string& path, const char* magic) {
  std::ifstream in(path, std::ios::binary);
  char found[4];
  uint32_t header[3];  // version, rows, columns
  if (!in.read(found, sizeof found) || !in.read(reinterpret_cast<char*>(header), sizeof header)) {
    throw std::runtime_error(path + ": cannot be read");
  }
  if (std::memcmp(found, magic, sizeof found) != 0 || header[0] != 1) {
    throw std::runtime_error(path + ": is not a file of " + magic + " version 1");
  }
  Table<T> table;
  table.rows = header[1];
  table.columns = header[2];
  if (table.rows == 0 || table.columns == 0 || uint64_t{table.rows} * table.columns > kMostValues) {
    throw std::runtime_error(path + ": is empty or too large");
  }
  table.values.resize(table.rows * table.columns);
  if (!in.read(reinterpret_cast<char*>(table.values.data()), table.values.size() * sizeof(T))) {
    throw std::runtime_error(path + ": is cut off");
  }
  return table;
}

// Adds every row to the graph. The first goes in alone: the others need an entry point.
void AddRows(Graph& graph, const Table<float>& base, size_t threads) {
  graph.addPoint(base.Row(0), 0);
  std::atomic<size_t> next{1};
  std::vector<std::thread> running;
  for (size_t i = 0; i < threads; i++) {
    running.emplace_back([&] {
      for (size_t row = next++; row < base.rows; row = next++) graph.addPoint(base.Row(row), row);
    });
  }
  for (auto& t : running) t.join();
}

void Build(const std::string& dir, const std::string& set, const std::string& index, size_t threads) {
  const auto base = ReadTable<float>(dir + "/" + set + ".base.vf32", "VF32");
  hnswlib::InnerProductSpace space(base.columns);
  Graph graph(&space, base.rows, kM, kEfConstruction);
  const auto start = Clock::now();
  const double processor = ProcessorSeconds();
  AddRows(graph, base, threads);
  const double wall = Seconds(Clock::now() - start);
  std::printf("BenchmarkBuild/%s/threads=%zu 1 %.0f ns/op %.1f wall-s %.1f cpu-s\n", set.c_str(), threads, wall * 1e9, wall,
              ProcessorSeconds() - processor);
  graph.saveIndex(index);
}

// What one pass over the queries took: in all, and each at its best so far.
struct Times {
  double best_pass = std::numeric_limits<double>::infinity();
  std::vector<double> best_query;
};

// Asks every query once and returns how many of the true neighbours came back.
size_t Pass(const Graph& graph, const Table<float>& queries, const Table<uint32_t>& truth, Times& times) {
  size_t hits = 0;
  double all = 0;
  for (size_t i = 0; i < queries.rows; i++) {
    const auto start = Clock::now();
    auto found = graph.searchKnn(queries.Row(i), kNeighbours);
    const double took = Seconds(Clock::now() - start);
    all += took;
    times.best_query[i] = std::min(times.best_query[i], took);
    const uint32_t* want = truth.Row(i);
    for (; !found.empty(); found.pop()) hits += std::count(want, want + kNeighbours, found.top().second);
  }
  times.best_pass = std::min(times.best_pass, all);
  return hits;
}

void Search(const std::string& dir, const std::string& set, const std::string& index, const std::vector<size_t>& efs) {
  const auto queries = ReadTable<float>(dir + "/" + set + ".query.vf32", "VF32");
  const auto truth = ReadTable<uint32_t>(dir + "/" + set + ".truth.vgt", "VGT1");
  if (truth.rows != queries.rows || truth.columns < kNeighbours) throw std::runtime_error(set + ": truth and queries differ");
  hnswlib::InnerProductSpace space(queries.columns);
  Graph graph(&space, index);
  for (const size_t ef : efs) {
    graph.setEf(ef);
    Times times;
    times.best_query.assign(queries.rows, std::numeric_limits<double>::infinity());
    size_t hits = 0;
    for (int pass = 0; pass < kPasses; pass++) hits = Pass(graph, queries, truth, times);
    double sum = 0;
    for (const double t : times.best_query) sum += t;
    const double n = static_cast<double>(queries.rows);
    std::printf("BenchmarkPeer/%s/ef=%zu %zu %.0f ns/op %.4f recall@10 %.0f QPS %.0f QPSmin\n", set.c_str(), ef,
                queries.rows * kPasses, times.best_pass / n * 1e9, static_cast<double>(hits) / (n * kNeighbours),
                n / times.best_pass, n / sum);
    std::fflush(stdout);
  }
}

int Run(const std::vector<std::string>& args) {
  if (args.size() == 5 && args[0] == "build") {
    Build(args[1], args[2], args[3], std::stoul(args[4]));
    return 0;
  }
  if (args.size() >= 5 && args[0] == "search") {
    std::vector<size_t> efs;
    for (size_t i = 4; i < args.size(); i++) efs.push_back(std::stoul(args[i]));
    Search(args[1], args[2], args[3], efs);
    return 0;
  }
  std::fprintf(stderr, "usage: bench build DIR SET INDEX THREADS | bench search DIR SET INDEX EF...\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench: %s\n", e.what());
    return 1;
  }
}
