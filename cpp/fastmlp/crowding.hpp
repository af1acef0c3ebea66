// Threads on a busy machine: whether a team still pays.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "parallel.hpp"

namespace fastmlp {

// Decides, piece by piece, whether a team still pays. Where other processes hold cores,
// members get less CPU time than the clock shows and the others wait for them: beside
// one busy process a team was measured 2 to 4 times slower than one thread, beside one
// on every core up to twice as fast. So while that lasts, both ways are timed: the
// better one goes on, and the other is tried again after ever longer whiles.
class Crowding {
 public:
  // Runs body(member) by a team of `wanted`, or by one thread; done() says afterwards
  // how much work that was, in any unit.
  template <class Body, class Done>
  void run(int wanted, Body&& body, Done&& done) {
    const int threads = way_ == alone ? 1 : wanted;
    std::vector<double> cpu(static_cast<std::size_t>(threads), now());
    const double start = now();
    run_team(threads, [&](const Member& member) {
      const double from = thread_seconds();
      body(member);
      cpu[static_cast<std::size_t>(member.index)] = thread_seconds() - from;
    });
    if (wanted > 1)
      record(now() - start, *std::min_element(cpu.begin(), cpu.end()),
             static_cast<double>(done()));
  }

 private:
  enum Way { together, alone };

  // How long a piece took, the CPU time of the member that had least, and its work.
  void record(double wall_seconds, double least_cpu_seconds, double work);

  // The pieces done one way; the latest weigh most.
  struct Record {
    int pieces = 0;
    double work = 0;
    double seconds = 0;
    double rate() const { return pieces > 0 ? work / seconds : 0; }
  };

  Way way_ = together;
  bool suspected_ = false;  // the last piece together was crowded
  std::array<Record, 2> records_;
  // Most crowds last less than a tenth of a second, such as threads that still spin
  // after a matrix product of NumPy's.
  int until_other_ = 2;  // pieces to go before the other way is tried
  int next_wait_ = 4;    // ... and from then to the next try
};

}  // namespace fastmlp
