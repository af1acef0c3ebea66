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

void Crowding::record(int threads, double wall_seconds, double least_cpu_seconds) {
  constexpr double too_short = 1e-3;  // to tell anything
  constexpr double crowded = 0.75;    // share of the time; 0.95 and more when alone
  constexpr int first_pause = 8;
  constexpr int longest_pause = 64;
  if (pause_ > 0) --pause_;
  if (threads == 1 || wall_seconds < too_short) return;
  if (least_cpu_seconds < crowded * wall_seconds) {
    pause_ = next_pause_;
    next_pause_ = std::min(2 * next_pause_, longest_pause);
  } else {
    next_pause_ = first_pause;
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
