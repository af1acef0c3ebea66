// Who does a call that takes no longer than to wake a thread.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

namespace fastmlp {

// A team's threads look out for work for a while before they fall asleep (libgomp's
// some milliseconds), and until then start within a microsecond or two. So a team does
// those calls that follow others closely; to wake it, there must have been some in a
// row, which thus pay for it. Where it loses more time against one thread than it has
// won of late, since others hold the cores or threads are told to sleep at once, one
// thread goes on: for some calls, then for more and more, up to a limit; and for fewer
// again once a team has won by many. A call that takes long now and then is no reason.
//
// Times are in seconds. Calls of one kind take one thread about the same time; each
// kind is judged by itself.
class ShortCalls {
 public:
  using Kind = std::uint64_t;

  // Whether a team does the call that begins now.
  bool is_for_team(double start, Kind kind);
  // One thread has done it.
  void done(double start, double end, Kind kind);
  // Or a team.
  void done_by_team(double start, double end, Kind kind);
  // A team has done another, longer call.
  void team_worked(double end) { last_end_ = last_team_end_ = end; }

  long by_teams() const { return by_teams_; }  // calls so far

 private:
  static constexpr double kNever = -std::numeric_limits<double>::infinity();

  // What is known of a kind, in a place that others may take.
  struct Known {
    Kind kind = 0;
    int looks = 0;       // lone calls measured, up to those that are needed
    double seconds = 0;  // one thread's
    double lost = 0;     // by teams; less than 0: won
    int alone = 0;       // calls that one thread does before the next try
    int next_alone = 0;  // ... after the next loss; 0: the first one
    int by_team = 0;     // calls by teams since the last loss or look
  };
  Known& known(Kind kind);

  double last_end_ = kNever;
  double last_team_end_ = kNever;
  int in_a_row_ = 0;  // calls that followed one another closely
  std::array<Known, 64> known_{};
  long by_teams_ = 0;
};

// The calling thread's, as the team is that OpenMP wakes for it.
extern thread_local constinit ShortCalls short_calls;

}  // namespace fastmlp
