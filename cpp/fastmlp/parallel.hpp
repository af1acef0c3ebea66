// Threads: the only OpenMP region of the library, and the barrier between its phases.
#pragma once

#include <omp.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <vector>

#include "types.hpp"

namespace fastmlp {

// libgomp hangs in a child made by fork() after its pool was used (GCC bug 58378), so a
// forked child runs one thread, without a parallel region.
void watch_forks();
bool in_forked_child();

// Spins for a while, then sleeps. A barrier that only spins turned 2.6 ms into 2,509 ms
// when another process held a core; a sleep at once costs a wake-up (some 50 us in a
// virtual machine) at every barrier.
class Barrier {
 public:
  // The last of `size` members to arrive runs `completion` before any of them goes on.
  template <class Completion>
  void arrive(int size, Completion&& completion) {
    const unsigned generation = generation_.load(std::memory_order_acquire);
    if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 < size) {
      wait_for_change(generation);
      return;
    }
    waiting_.store(0, std::memory_order_relaxed);
    completion();
    // In one order with the number of sleepers, which libstdc++'s notify_all reads: a
    // weaker store may become visible after that, and who falls asleep in between would
    // never wake up.
    generation_.store(generation + 1, std::memory_order_seq_cst);
    generation_.notify_all();
  }

 private:
  void wait_for_change(unsigned generation);

  alignas(kAlignment) std::atomic<int> waiting_{0};
  alignas(kAlignment) std::atomic<unsigned> generation_{0};
};

// What the threads of a team share: the barrier and, by member, how many pieces of its
// part of the work have been taken since the last one.
class Team {
 public:
  explicit Team(int size) : taken_(static_cast<std::size_t>(size > 1 ? size : 0)) {}

  Index take_from(int member) {
    return taken_[static_cast<std::size_t>(member)].pieces.fetch_add(
        1, std::memory_order_relaxed);
  }
  template <class Completion>
  void arrive(int size, Completion&& completion) {
    if (size == 1) return completion();
    barrier_.arrive(size, [&] {
      for (Taken& taken : taken_) taken.pieces.store(0, std::memory_order_relaxed);
      completion();
    });
  }

 private:
  struct alignas(kAlignment) Taken {
    std::atomic<Index> pieces{0};
  };
  Barrier barrier_;
  std::vector<Taken> taken_;
};

// One thread of a team.
struct Member {
  int index;
  int size;
  Team& team;

  template <class Completion>
  void barrier(Completion&& completion) const {
    team.arrive(size, completion);
  }

  // Calls f(piece) for all pieces of work, each by one member: first those of its own
  // part, the same every time for the caches' sake, then what is left of the others',
  // which may have lost their cores. At most once between two barriers.
  template <class Part, class F>
  void each_of_parts(Part&& part, F&& f) const {
    if (size == 1) {
      const Range pieces = part(0);
      for (Index piece = pieces.begin; piece < pieces.end; ++piece) f(piece);
      return;
    }
    for (int i = 0; i < size; ++i) {
      const int owner = (index + i) % size;
      const Range pieces = part(owner);
      for (;;) {
        const Index piece = pieces.begin + team.take_from(owner);
        if (piece >= pieces.end) break;
        f(piece);
      }
    }
  }
  // The same for n pieces of equal work.
  template <class F>
  void each(Index n, F&& f) const {
    each_of_parts([this, n](int member) { return even_part(n, size, member); }, f);
  }
};

// Runs body(member) on `n_threads` threads or, if the runtime gives fewer, on those;
// the calling thread is member 0. `body` must not throw.
template <class Body>
void run_team(int n_threads, Body&& body) {
  if (in_forked_child()) n_threads = 1;
  Team team(n_threads);
  if (n_threads <= 1) {
    body(Member{0, 1, team});
    return;
  }
#pragma omp parallel num_threads(n_threads)
  body(Member{omp_get_thread_num(), omp_get_num_threads(), team});
}

// Seconds on a clock that never goes back.
inline double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

// CPU seconds of the calling thread so far.
double thread_seconds();

// Floating-point operations between two barriers, in equal pieces that one thread takes
// as a whole.
struct Phase {
  double operations;
  Index pieces;
};

// How many threads, up to `wanted`, go through these phases in the least time. A
// barrier costs as much as the operations given here, and again with every doubling of
// the team (measured: two threads and one take the same time for two phases of 0.75e6
// each).
template <class Phases = std::initializer_list<Phase>>
int useful_threads(const Phases& phases, int wanted) {
  constexpr double barrier = 0.375e6;
  if (in_forked_child()) return 1;
  const auto cost = [&](int n) {
    double sum = 0;
    for (const Phase& phase : phases)
      sum += phase.operations * static_cast<double>(divide_up(phase.pieces, n)) /
                 static_cast<double>(phase.pieces) +
             barrier * std::ceil(std::log2(n));
    return sum;
  };
  Index most = 1;
  for (const Phase& phase : phases) most = std::max(most, phase.pieces);
  int best = 1;
  for (int n = 2; n <= std::min<Index>(wanted, most); ++n)
    if (cost(n) < cost(best)) best = n;
  return best;
}

// How a call outside a trainer runs.
struct Execution {
  int n_threads = 1;
  const std::function<bool()>* keep_going = nullptr;  // asked between row blocks
};

inline int max_threads() { return in_forked_child() ? 1 : omp_get_max_threads(); }

}  // namespace fastmlp
