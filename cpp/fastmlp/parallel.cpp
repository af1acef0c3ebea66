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

void Barrier::wait_for_change(unsigned generation) {
  const double deadline = now() + kSpinSeconds;
  do {
    for (int i = 0; i < 32; ++i) {
      if (generation_.load(std::memory_order_acquire) != generation) return;
      relax();
    }
  } while (now() < deadline);
  generation_.wait(generation, std::memory_order_seq_cst);
}

}  // namespace fastmlp
