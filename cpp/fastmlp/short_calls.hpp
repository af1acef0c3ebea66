// Calls that take less time than to wake a thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

#include "parallel.hpp"

namespace fastmlp {

// Decides which of them a team does: its threads look out for work for a while before
// they fall asleep (libgomp's some milliseconds), so that those pay which follow one
// another closely. Then it starts within a microsecond or two; where it does not, since
// others hold the cores or threads are told to sleep at once, one thread goes on for a
// while. For any number of callers at a time, without a lock: what they overwrite of
// each other's is advice.
class ShortCalls {
 public:
  // Whether a team does the call that begins at `start` (seconds).
  bool is_for_team(double start);
  // One thread has done it.
  void done(double end) { last_end_ = end; }
  // Or a team, whose last member began at `complete`.
  void done_by_team(double start, double complete, double end);

  // Runs body(member) by a team, and takes note.
  template <class Body>
  void run(int n_threads, Body&& body) {
    const double start = now();
    std::vector<double> begun(static_cast<std::size_t>(n_threads), start);
    run_team(n_threads, [&](const Member& member) {
      begun[static_cast<std::size_t>(member.index)] = now();
      body(member);
    });
    done_by_team(start, *std::max_element(begun.begin(), begun.end()), now());
  }

 private:
  static constexpr double kNever = -std::numeric_limits<double>::infinity();

  std::atomic<double> last_end_{kNever};
  std::atomic<double> last_team_end_{kNever};
  std::atomic<int> alone_{0};       // calls that one thread does before the next try
  std::atomic<int> next_alone_{1};  // ... after the next one that is late
  std::atomic<int> in_time_{0};     // calls by a team since one was late
};

}  // namespace fastmlp
