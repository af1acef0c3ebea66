// Threads: the only OpenMP region of the library, and the barrier between its phases.
#pragma once

#include <omp.h>

#include <atomic>
#include <chrono>
#include <functional>
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
    if (size == 1) return completion();
    const unsigned generation = generation_.load(std::memory_order_acquire);
    if (waiting_.fetch_add(1, std::memory_order_acq_rel) + 1 < size) {
      wait_for_change(generation);
      return;
    }
    waiting_.store(0, std::memory_order_relaxed);
    completion();
    generation_.store(generation + 1, std::memory_order_release);
    generation_.notify_all();
  }

 private:
  void wait_for_change(unsigned generation);

  alignas(kAlignment) std::atomic<int> waiting_{0};
  alignas(kAlignment) std::atomic<unsigned> generation_{0};
};

// One thread of a team.
struct Member {
  int index;
  int size;
  Barrier& shared_barrier;

  template <class Completion>
  void barrier(Completion&& completion) const {
    shared_barrier.arrive(size, completion);
  }
  // This member's contiguous part of n pieces of work.
  Range share(Index n) const { return even_part(n, size, index); }
};

// Runs body(member) on `n_threads` threads or, if the runtime gives fewer, on those;
// the calling thread is member 0. `body` must not throw.
template <class Body>
void run_team(int n_threads, Body&& body) {
  Barrier barrier;
  if (n_threads <= 1 || in_forked_child()) {
    body(Member{0, 1, barrier});
    return;
  }
#pragma omp parallel num_threads(n_threads)
  body(Member{omp_get_thread_num(), omp_get_num_threads(), barrier});
}

// Seconds on a clock that never goes back.
inline double now() {
  const auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(time).count();
}

// CPU seconds of the calling thread so far.
double thread_seconds();

// Decides, piece by piece, whether a team still pays. Where other processes hold the
// cores, members get less CPU time than the clock shows and the others wait for them at
// every barrier (measured: 3 to 13 times slower than one thread); then one thread goes
// on alone, and the team is tried again after a while, and after ever longer ones.
class Crowding {
 public:
  // Runs body(member) by a team of `wanted`, or by one thread.
  template <class Body>
  void run(int wanted, Body&& body) {
    const int threads = pause_ > 0 ? 1 : wanted;
    std::vector<double> cpu(static_cast<std::size_t>(threads), now());
    const double start = now();
    run_team(threads, [&](const Member& member) {
      const double before = thread_seconds();
      body(member);
      cpu[static_cast<std::size_t>(member.index)] = thread_seconds() - before;
    });
    record(threads, now() - start, *std::min_element(cpu.begin(), cpu.end()));
  }

 private:
  // How long a piece took and the CPU time of the member that had least.
  void record(int threads, double wall_seconds, double least_cpu_seconds);

  int pause_ = 0;       // pieces to go before the team is tried again
  int next_pause_ = 8;  // pieces
};

// The threads worth having for so many floating-point operations between two barriers:
// below the limit a second one costs more there than it brings.
inline int useful_threads(double flops, int wanted) {
  constexpr double serial = 1.5e6;
  return flops < serial || in_forked_child() ? 1 : wanted;
}

// How a call outside a trainer runs.
struct Execution {
  int n_threads = 1;
  const std::function<bool()>* keep_going = nullptr;  // asked between row blocks
};

inline int max_threads() { return in_forked_child() ? 1 : omp_get_max_threads(); }

}  // namespace fastmlp
