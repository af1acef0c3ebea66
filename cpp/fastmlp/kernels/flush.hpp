// Results too small to be normal numbers, which take a hundred cycles and more to make
// on many processors.
#pragma once

#include <cstdint>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace fastmlp {

// While one lives, its thread rounds results that are not normal numbers to zero, or
// keeps them as others do; then it goes on as before. Operands that somebody gave stay
// what they are on x86 (on ARM they count as zero, too); NaN and infinity propagate
// either way. Nothing happens on other processors.
class FlushToZero {
 public:
  explicit FlushToZero(bool flush = true) : before_(mode()) {
    set(flush ? before_ | kFlush : before_ & ~kFlush);
  }
  ~FlushToZero() { set(before_); }
  FlushToZero(const FlushToZero&) = delete;
  FlushToZero& operator=(const FlushToZero&) = delete;

 private:
#if defined(__SSE2__)
  using Mode = unsigned int;
  static constexpr Mode kFlush = 0x8000;
  static Mode mode() { return _mm_getcsr(); }
  static void set(Mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
  using Mode = std::uint64_t;
  static constexpr Mode kFlush = Mode{1} << 24;
  static Mode mode() {
    Mode mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
  }
  static void set(Mode mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#else
  using Mode = int;
  static constexpr Mode kFlush = 0;
  static Mode mode() { return 0; }
  static void set(Mode) {}
#endif

  Mode before_;
};

}  // namespace fastmlp
