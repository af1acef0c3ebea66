// Memory that will be wanted soon, asked for line by line while products run.
#pragma once

#include <array>

#include "../types.hpp"

namespace fastmlp {

// Pieces of memory in the order in which they will be wanted. Products ask for a few of
// their lines at a time: many at once would fill the processor's list of misses, and
// then everything waits (measured: no gain in one go, 6 % of a training of 668,000
// weights this way).
class Ahead {
 public:
  // One too many is forgotten.
  void add(const void* start, Index bytes) {
    if (size_ == kCapacity) return;
    const char* begin = static_cast<const char*>(start);
    pieces_[size_++] = {begin, begin + bytes};
  }

  void ask(int lines) {
    for (int i = 0; i < lines; ++i) {
      if (next_ == end_) {
        if (asked_ == size_) return;
        next_ = pieces_[asked_].begin;
        end_ = pieces_[asked_].end;
        ++asked_;
      }
      __builtin_prefetch(next_, 0, 2);
      next_ += std::min<Index>(end_ - next_, kAlignment);
    }
  }

 private:
  static constexpr std::size_t kCapacity = 128;
  struct Piece {
    const char* begin;
    const char* end;
  };
  const char* next_ = nullptr;
  const char* end_ = nullptr;
  std::size_t asked_ = 0;
  std::size_t size_ = 0;
  std::array<Piece, kCapacity> pieces_;
};

// More than this does not stay near a core until it is wanted again.
inline constexpr Index kNearBytes = Index{2} << 20;

}  // namespace fastmlp
