// What speaks for a team, and what against it.
#include "short_calls.hpp"

#include <algorithm>

namespace fastmlp {

thread_local constinit ShortCalls short_calls;

namespace {

constexpr double kAwake = 1e-3;  // seconds after work

}  // namespace

ShortCalls::Known* ShortCalls::known(Kind kind) {
  for (Known& one : known_)
    if (one.seconds > 0 && one.kind == kind) return &one;
  return nullptr;
}

bool ShortCalls::is_for_team(double start, Kind kind) {
  constexpr int worth_a_wake_up = 8;  // calls, each as long as half of one
  in_a_row_ =
      start - last_end_ <= kAwake ? std::min(in_a_row_ + 1, worth_a_wake_up) : 0;
  const bool is_awake = start - last_team_end_ <= kAwake;
  if (!known(kind) || (!is_awake && in_a_row_ < worth_a_wake_up)) return false;
  if (alone_ == 0) return true;
  --alone_;
  return false;
}

void ShortCalls::done(double start, double end, Kind kind) {
  last_end_ = end;
  const double seconds = end - start;
  if (Known* const before = known(kind)) {
    // Slower ones are chance, for a while.
    before->seconds = std::min(1.1 * before->seconds, seconds);
  } else {
    known_[oldest_] = {kind, seconds};
    oldest_ = (oldest_ + 1) % known_.size();
  }
}

void ShortCalls::done_by_team(double start, double end, Kind kind) {
  // A process's turn on a core, and a little more, is forgiven to a team that wins most
  // of the time; to wake it is no loss that counts by itself.
  constexpr double most_won = 5e-3, most_lost = 1e-3;
  constexpr int most_alone = 1 << 13;  // calls: a try costs 1 % of their time
  constexpr int many = 1024;           // calls: more than fit into one turn
  constexpr int again = 2;             // calls, to see how long one thread takes now
  ++by_teams_;
  team_worked(end);
  const Known* const alone = known(kind);
  if (!alone) return;
  lost_ = std::max(lost_ + (end - start) - alone->seconds, -most_won);
  if (lost_ > most_lost) {
    lost_ = 0;
    by_team_ = 0;
    alone_ = next_alone_;
    next_alone_ = std::min(4 * next_alone_, most_alone);
  } else if (++by_team_ >= many) {
    by_team_ = 0;
    alone_ = again;
    next_alone_ = std::max(kFewAlone, next_alone_ / 4);
  }
}

}  // namespace fastmlp
