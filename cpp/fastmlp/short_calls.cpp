// What speaks for a team, and what against it.
#include "short_calls.hpp"

#include <algorithm>
#include <tuple>

namespace fastmlp {

thread_local constinit ShortCalls short_calls;

namespace {

constexpr double kAwake = 1e-3;  // seconds after work
// Lone calls that tell how long one thread takes: the first one is often a cold one.
constexpr int kLooks = 2;
constexpr int kFewAlone = 64;

}  // namespace

// By Fibonacci hashing, which puts the rows of one network in places of their own.
ShortCalls::Known& ShortCalls::known(Kind kind) {
  constexpr int bits = 6;
  static_assert(std::tuple_size_v<decltype(known_)> == 1 << bits);
  Known& place = known_[(kind * 0x9E3779B97F4A7C15u) >> (64 - bits)];
  if (place.kind != kind) place = {kind};
  return place;
}

bool ShortCalls::is_for_team(double start, Kind kind) {
  constexpr int worth_a_wake_up = 8;  // calls, or else it is a loss
  in_a_row_ =
      start - last_end_ <= kAwake ? std::min(in_a_row_ + 1, worth_a_wake_up) : 0;
  const bool is_awake = start - last_team_end_ <= kAwake;
  Known& calls = known(kind);
  if (calls.looks < kLooks || (!is_awake && in_a_row_ < worth_a_wake_up)) return false;
  if (calls.alone == 0) return true;
  --calls.alone;
  return false;
}

void ShortCalls::done(double start, double end, Kind kind) {
  last_end_ = end;
  const double seconds = end - start;
  Known& calls = known(kind);
  // Slower ones are chance, for a while.
  calls.seconds = calls.looks == 0 ? seconds : std::min(1.1 * calls.seconds, seconds);
  calls.looks = std::min(calls.looks + 1, kLooks);
}

void ShortCalls::done_by_team(double start, double end, Kind kind) {
  // A process's turn on a core, and a little more, is forgiven to a team that wins most
  // of the time; to wake it once is less than the loss that counts.
  constexpr double most_won = 5e-3, most_lost = 1e-3;
  constexpr int most_alone = 1 << 13;  // calls: a try costs 1 % of their time
  constexpr int many = 1024;           // calls: more than fit into one turn
  ++by_teams_;
  team_worked(end);
  Known& calls = known(kind);
  if (calls.looks < kLooks) return;
  const int pause = std::max(calls.next_alone, kFewAlone);
  calls.lost = std::max(calls.lost + (end - start) - calls.seconds, -most_won);
  if (calls.lost > most_lost) {
    calls.lost = 0;
    calls.by_team = 0;
    calls.alone = pause;
    calls.next_alone = std::min(4 * pause, most_alone);
  } else if (++calls.by_team >= many) {
    calls.by_team = 0;
    calls.alone = kLooks;
    if (calls.lost <= 0) calls.next_alone = pause / 4;
  }
}

}  // namespace fastmlp
