// Who does the next call.
#include "short_calls.hpp"

namespace fastmlp {

namespace {

constexpr double kAwake = 1e-3;  // seconds after work

}  // namespace

bool ShortCalls::is_for_team(double start) {
  if (start - last_end_ > kAwake) return false;
  const int alone = alone_;
  if (alone == 0) return true;
  alone_ = alone - 1;
  return false;
}

void ShortCalls::done_by_team(double start, double complete, double end) {
  constexpr double late = 1e-5;      // seconds
  constexpr double stalled = 5e-4;   // seconds: somebody lost the core meanwhile
  constexpr int longest = 1 << 14;   // calls
  constexpr int trustworthy = 1024;  // in time; more than fit into a turn of a core
  const bool was_awake = start - last_team_end_ <= kAwake;
  last_team_end_ = last_end_ = end;
  if (!was_awake) return;
  if (complete - start > late || end - start > stalled) {
    in_time_ = 0;
    alone_ = next_alone_.load();
    next_alone_ = std::min(2 * next_alone_, longest);
  } else if (++in_time_ > trustworthy) {
    next_alone_ = 1;
  }
}

}  // namespace fastmlp
