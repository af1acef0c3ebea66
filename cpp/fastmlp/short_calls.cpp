// What speaks for a team, and what against it.
#include "short_calls.hpp"

#include <algorithm>

namespace fastmlp {

thread_local constinit ShortCalls short_calls;

namespace {

constexpr double kAwake = 1e-3;  // seconds after work

}  // namespace

bool ShortCalls::is_for_team(double start) {
  constexpr int worth_a_wake_up = 8;  // calls, each as long as half of one
  in_a_row_ =
      start - last_end_ <= kAwake ? std::min(in_a_row_ + 1, worth_a_wake_up) : 0;
  const bool is_awake = start - last_team_end_ <= kAwake;
  const bool is_known = alone_pace_ > 0;
  if (!is_known || (!is_awake && in_a_row_ < worth_a_wake_up)) return false;
  if (alone_ == 0) return true;
  --alone_;
  return false;
}

void ShortCalls::done(double start, double end, double work) {
  last_end_ = end;
  // Slower ones are chance, for a while.
  const double pace = (end - start) / work;
  alone_pace_ = alone_pace_ > 0 ? std::min(1.1 * alone_pace_, pace) : pace;
}

void ShortCalls::done_by_team(double start, double end, double work) {
  constexpr double wake_up = 5e-4;  // seconds, at most, where a core is free
  constexpr double most_won = 2e-3, most_lost = 3e-4;
  constexpr int longest = 1 << 12;  // calls; as long as tens of a process's turns
  constexpr int trusted = 1024;     // calls; more than fit into one turn
  const bool was_awake = start - last_team_end_ <= kAwake;
  ++by_teams_;
  team_worked(end);
  if (!was_awake && end - start <= wake_up) return;
  lost_ = std::max(lost_ + (end - start) - work * alone_pace_, -most_won);
  if (lost_ > most_lost) {
    lost_ = 0;
    in_a_team_ = 0;
    alone_ = next_alone_;
    next_alone_ = std::min(4 * next_alone_, longest);
  } else if (++in_a_team_ >= trusted) {
    in_a_team_ = 0;
    next_alone_ = std::max(kFirstAlone, next_alone_ / 4);
  }
}

}  // namespace fastmlp
