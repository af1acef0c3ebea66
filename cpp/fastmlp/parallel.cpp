// Waiting and forking, the two things about threads that need the operating system.
#include "parallel.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <time.h>
#endif

namespace fastmlp {
namespace {

constexpr double kSpinSeconds = 80e-6;
std::atomic<bool> forked{false};

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void watch_forks() {
#if defined(__unix__) || defined(__APPLE__)
  pthread_atfork(nullptr, nullptr, [] { forked.store(true); });
#endif
}

bool in_forked_child() { return forked.load(std::memory_order_relaxed); }

double thread_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
#else
  return now();  // no such clock: never crowded
#endif
}

void Crowding::record(double wall_seconds, double least_cpu_seconds, double work) {
  constexpr double too_short = 1e-3;  // to tell anything
  constexpr double crowded = 0.75;    // share of the time; 0.95 and more when alone
  constexpr int first_look = 3;       // pieces, before the two ways are compared
  constexpr int longest = 64;         // pieces
  if (way_ == together) {
    if (wall_seconds < too_short) return;
    if (least_cpu_seconds >= crowded * wall_seconds) {
      *this = {};
      return;
    }
    if (!suspected_) {  // once may be chance
      suspected_ = true;
      return;
    }
  }
  Record& mine = records_[way_];
  mine = {mine.pieces + 1, mine.work / 2 + work, mine.seconds / 2 + wall_seconds};
  const bool alone_is_better = records_[alone].rate() > records_[together].rate();
  const Way better = alone_is_better ? alone : together;
  const Way other = alone_is_better ? together : alone;
  if (mine.pieces < first_look) return;
  if (records_[other].pieces < first_look) {
    way_ = other;
  } else if (until_other_-- > 0) {
    way_ = better;
  } else {
    way_ = other;
    until_other_ = next_wait_;
    next_wait_ = std::min(2 * next_wait_, longest);
  }
}

void Barrier::wait_for_change(unsigned generation) {
  const double deadline = now() + kSpinSeconds;
  do {
    for (int i = 0; i < 32; ++i) {
      if (generation_.load(std::memory_order_acquire) != generation) return;
      relax();
    }
  } while (now() < deadline);
  generation_.wait(generation, std::memory_order_acquire);
}

}  // namespace fastmlp
