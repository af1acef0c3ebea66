// Who does a call that takes no longer than to wake a thread.
#pragma once

#include <limits>

#include "parallel.hpp"

namespace fastmlp {

// A team's threads look out for work for a while before they fall asleep (libgomp's
// some milliseconds), and until then start within a microsecond or two. So a team does
// those calls that follow others closely; to wake it, there must have been some in a
// row, which thus pay for it. Where it loses more time than it has won of late, since
// others hold the cores or threads are told to sleep at once, one thread goes on for a
// while: some calls, then four times as many each time. A call that takes long now and
// then is no reason.
//
// Times are in seconds, work in one unit for all calls.
class ShortCalls {
 public:
  // Whether a team does the call that begins now.
  bool is_for_team(double start);
  // One thread has done it.
  void done(double start, double end, double work);
  // Or a team.
  void done_by_team(double start, double end, double work);
  // A team has done another, longer call.
  void team_worked(double end) { last_end_ = last_team_end_ = end; }

  // Runs body(member) by a team, and takes note.
  template <class Body>
  void run(int n_threads, double work, Body&& body) {
    const double start = now();
    run_team(n_threads, body);
    done_by_team(start, now(), work);
  }

  long by_teams() const { return by_teams_; }  // calls so far

 private:
  static constexpr int kFirstAlone = 64;
  static constexpr double kNever = -std::numeric_limits<double>::infinity();

  double last_end_ = kNever;
  double last_team_end_ = kNever;
  int in_a_row_ = 0;       // calls that followed one another closely
  double alone_pace_ = 0;  // seconds per work; 0: not known
  double lost_ = 0;        // seconds by teams, against one thread; less than 0: won
  int alone_ = 0;          // calls that one thread does before the next try
  int next_alone_ = kFirstAlone;  // ... after the next loss
  int in_a_team_ = 0;             // calls since one of the two was changed
  long by_teams_ = 0;
};

// The calling thread's, as the team is that OpenMP wakes for it.
extern thread_local constinit ShortCalls short_calls;

}  // namespace fastmlp
