// Memory that will be wanted soon, asked for line by line while products run.
#pragma once

#include <array>
#if defined(__PRFCHW__)
#include <cpuid.h>
#endif

#include "vec.hpp"

namespace fastmlp {

// How many lines a product asks for: with each panel of inputs that a tile multiplies,
// and with every fourth row of a gradient. Once in some 20 cycles, either way.
inline constexpr int kLinesWithPanel = 8;
inline constexpr int kLinesWithRows = 2;

// What for: to read it, or to change it, which no other thread may do at the same time,
// nor read it. To change a line that another core has read, its copy must be withdrawn
// first, which takes some 20 cycles a line, and stores do so one by one.
enum class Use { read, change };

// Whether a prefetch for a write takes a line over, other copies withdrawn. On Intel's
// processors that have one it does (two threads: 2 to 8 % of the time for hidden layers
// of 64 to 128, against writing lines back, which holds up a product's own stores). On
// AMD's it was measured to do nothing (Zen 4: a line that is at hand, if shared, counts
// as fetched), so there, and where nothing was measured, such lines are written back as
// they are, early enough: 12 % of the time for eight layers of 64.
inline const bool kPrefetchTakesOver = [] {
#if defined(__PRFCHW__)
  constexpr unsigned features = 0x80000001, prefetchw = 1 << 8;
  unsigned eax, ebx, ecx = 0, edx;
  __builtin_cpu_init();
  return __builtin_cpu_is("intel") && __get_cpuid(features, &eax, &ebx, &ecx, &edx) &&
         (ecx & prefetchw) != 0;
#else
  return false;
#endif
}();

// Pieces of memory that will be wanted; the one added last is asked for first. Products
// ask for a few lines at a time: many at once would fill the processor's list of
// misses, and then everything waits (a training of 668,000 weights became 6 % faster
// this way and no faster in one go).
class Ahead {
 public:
  // `others_read`: other threads have read what is written now, the last time.
  explicit Ahead(bool others_read = false) : others_read_(others_read) {}
  bool others_read() const { return others_read_; }

  // What is added when there is no more room is not asked for.
  void add(const void* start, Index bytes, Use use = Use::read) {
    if (size_ == kCapacity) return;
    const char* begin = static_cast<const char*>(start);
    const auto in_line =
        static_cast<Index>(reinterpret_cast<std::uintptr_t>(begin) % kAlignment);
    eigen_assert(use == Use::read || in_line == 0);  // nobody else's line
    Request request = Request::fetch;
    if (use == Use::change)
      request = kPrefetchTakesOver ? Request::take_over : Request::write_back;
    pieces_[size_++] = {begin - in_line, divide_up(in_line + bytes, kLine), request};
  }

  // How many pieces are still to be asked for, as a whole or in part; those added since
  // there were so many are forgotten.
  std::size_t size() const { return size_; }
  void forget_after(std::size_t size) { size_ = std::min(size_, size); }

  // So many lines or, at the end of a piece, those that are left.
  template <int lines>
  void ask() {
    if (size_ == 0) return;
    Piece& piece = pieces_[size_ - 1];
    if (piece.request == Request::fetch) {
      take<lines, Request::fetch>(piece);
    } else if (piece.request == Request::take_over) {
      take<lines, Request::take_over>(piece);
    } else {
      take<lines, Request::write_back>(piece);
    }
    if (piece.lines == 0) --size_;
  }

 private:
  static constexpr Index kLine = kAlignment;
  static constexpr std::size_t kCapacity = 256;
  enum class Request { fetch, take_over, write_back };
  struct Piece {
    const char* next;
    Index lines;
    Request request;
  };

  // Always inlined: calls of a function that does nothing but prefetch are none to GCC.
  template <Request request>
  [[gnu::always_inline]] static void fetch(const char* line) {
    if constexpr (request == Request::fetch) {
      __builtin_prefetch(line, 0, 2);
    } else if constexpr (request == Request::take_over) {
      __builtin_prefetch(line, 1);
    } else {
      auto* const byte = const_cast<volatile char*>(line);
      *byte = *byte;
    }
  }

  // Unrolled: the end of a loop of a few turns was mispredicted nearly every time (5 %
  // of a product's rate, Intel).
  template <int lines, Request request>
  [[gnu::always_inline]] static void take(Piece& piece) {
    if (piece.lines >= lines) {
      unrolled<lines>([&](auto i) __attribute__((always_inline)) {
        fetch<request>(piece.next + i * kLine);
      });
      piece.next += lines * kLine;
      piece.lines -= lines;
    } else {
      for (; piece.lines > 0; --piece.lines, piece.next += kLine)
        fetch<request>(piece.next);
    }
  }

  bool others_read_;
  std::size_t size_ = 0;
  std::array<Piece, kCapacity> pieces_;
};

// Weights of more than this are not near a core any more when a step comes back to
// them.
inline constexpr Index kNearBytes = Index{512} << 10;

}  // namespace fastmlp
