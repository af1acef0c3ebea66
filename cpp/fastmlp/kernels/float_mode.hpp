// What a thread makes of results that are too small to be normal numbers: many
// processors take a hundred cycles and more for a subnormal one.
#pragma once

#include <cstdint>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace fastmlp {

// A thread's mode of floating-point arithmetic. Processors other than x86 and ARM with
// 64 bits have none here.
class FloatMode {
 public:
  static FloatMode current() { return FloatMode(read()); }
  void set() const { write(bits_); }

  // Subnormal results become zero. Subnormal operands stay what they are on x86; on ARM
  // they count as zero, too. NaN and infinity propagate either way.
  FloatMode flushing() const { return FloatMode((bits_ & ~kOperands) | kResults); }

 private:
#if defined(__SSE2__)
  using Bits = unsigned int;
  static constexpr Bits kResults = 0x8000;
  static constexpr Bits kOperands = 0x0040;
  static Bits read() { return _mm_getcsr(); }
  static void write(Bits bits) { _mm_setcsr(bits); }
#elif defined(__aarch64__)
  using Bits = std::uint64_t;
  static constexpr Bits kResults = Bits{1} << 24;
  static constexpr Bits kOperands = 0;
  static Bits read() {
    Bits bits;
    asm volatile("mrs %0, fpcr" : "=r"(bits));
    return bits;
  }
  static void write(Bits bits) {
    asm volatile("msr fpcr, %0" : : "r"(bits) : "memory");
  }
#else
  using Bits = unsigned int;
  static constexpr Bits kResults = 0;
  static constexpr Bits kOperands = 0;
  static Bits read() { return 0; }
  static void write(Bits) {}
#endif

  explicit FloatMode(Bits bits) : bits_(bits) {}
  Bits bits_;
};

// The calling thread's mode while one lives; then it is as before.
class WithFloatMode {
 public:
  explicit WithFloatMode(FloatMode mode) { mode.set(); }
  ~WithFloatMode() { before_.set(); }
  WithFloatMode(const WithFloatMode&) = delete;
  WithFloatMode& operator=(const WithFloatMode&) = delete;

 private:
  FloatMode before_ = FloatMode::current();
};

struct FlushToZero : WithFloatMode {
  FlushToZero() : WithFloatMode(FloatMode::current().flushing()) {}
};

}  // namespace fastmlp
