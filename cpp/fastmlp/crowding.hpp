// Whether a team of threads pays, found out by timing it.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "parallel.hpp"

namespace fastmlp {

// Decides, piece by piece, whether a team pays. Two things speak against it:
// - Other processes hold cores: members get less CPU time than the clock shows, and the
//   others wait for them. Beside one busy process a team was measured 2 to 4 times
//   slower than one thread, beside one on every core up to twice as fast.
// - Cores that are less than they seem: of a virtual machine, two may be threads of one
//   core, or far apart, and that may change at any time (measured for half a minute:
//   steps of 50 us by a team of two took 1.3 times as long as by one thread). Nothing
//   but the time tells, so one thread is tried now and then, for about a hundredth of
//   the time at most.
// While either lasts, both ways are timed, for a stretch of pieces each, since beside
// others a single one may be done in half or in twice the usual time: the better way
// goes on, and the other is tried again after ever longer whiles.
class Crowding {
 public:
  // Runs body(member) by a team of `wanted`, or by one thread; done() says afterwards
  // how much work that was, in any unit; less than `least_work` only where an epoch
  // ends.
  template <class Body, class Done>
  void run(int wanted, double least_work, Body&& body, Done&& done) {
    const int threads = is_alone() ? 1 : wanted;
    std::vector<double> cpu(static_cast<std::size_t>(threads), now());
    const double start = now();
    run_team(threads, [&](const Member& member) {
      const double from = thread_seconds();
      body(member);
      cpu[static_cast<std::size_t>(member.index)] = thread_seconds() - from;
    });
    if (wanted > 1)
      record({now() - start, *std::min_element(cpu.begin(), cpu.end()),
              static_cast<double>(done()), least_work, wanted});
  }

  // Of the next piece: whether one thread does it, and how many seconds of those that
  // are offered it should take.
  bool is_alone() const { return way_ == alone; }
  double seconds(double offered) const {
    return calm_ && is_alone() ? std::min(offered, kTrial) : offered;
  }

  struct Piece {
    double wall_seconds;
    double least_cpu_seconds;  // of the member that had least
    double work;
    double least_work;  // a piece that has less is what was left of an epoch
    int wanted;         // threads

    // Enough for CPU time to tell anything.
    bool is_long() const { return wall_seconds >= 1e-3; }
    bool is_crowded() const;
    // Seconds that a trial is going to take, after a piece by a team: if that was
    // `wanted` times as fast as one thread, which works for kTrial or does the least
    // there is.
    double trial_seconds() const;
  };
  void record(const Piece& piece);

 private:
  enum Way { together, alone };

  // What was done one way; the latest weighs most.
  struct Record {
    double work = 0;
    double seconds = 0;
    bool is_empty() const { return seconds == 0; }
    double rate() const { return is_empty() ? 0 : work / seconds; }
    void add(double more_work, double more_seconds) {
      *this = {work / 2 + more_work, seconds / 2 + more_seconds};
    }
  };

  // Successive pieces done one way.
  struct Stretch {
    double work = 0;
    double seconds = 0;
    double cpu_seconds = 0;  // of the members that had least
    void add(const Piece& piece);
    bool is_crowded() const;
  };

  void look(const Piece& piece);
  void end_trial(const Piece& piece);
  void compare(const Piece& piece);
  void end_stretch(const Stretch& stretch);
  void turn();

  static constexpr double kTrial = 5e-4;  // seconds

  Way way_ = together;
  std::array<Record, 2> records_;

  // As long as nothing speaks against a team:
  bool calm_ = true;
  bool crowded_ = false;      // the last long piece was
  double since_trial_ = 0;    // seconds
  double until_trial_ = 0.1;  // seconds from one to the next, at least

  // While both ways are timed.
  Stretch stretch_;
  bool turned_ = false;     // to this way, just now
  double until_other_ = 0;  // seconds to go before the other way is tried
  double next_wait_ = 4;    // times as long as a try: from that to the next one
};

}  // namespace fastmlp
