// Memory that will be wanted soon, asked for line by line while products run.
#pragma once

#include <array>

#include "../types.hpp"

namespace fastmlp {

// How many lines a product asks for: with each panel of inputs that a tile multiplies,
// and with every fourth row of a gradient. Once in some 20 cycles, either way.
inline constexpr int kLinesWithPanel = 8;
inline constexpr int kLinesWithRows = 2;

// What for. To write to a line that another core has read, its copy must be withdrawn
// first (a processor that cannot be asked to is asked to read), which takes as long as
// to fetch it, and stores do so nearly one by one: for the weights of eight layers of
// 64, 8 % of the time of two threads.
enum class Use { read, write };

// Pieces of memory that will be wanted; the one added last is asked for first. Products
// ask for a few lines at a time: many at once would fill the processor's list of
// misses, and then everything waits (a training of 668,000 weights became 6 % faster
// this way and no faster in one go).
class Ahead {
 public:
  // What is added when there is no more room is not asked for.
  void add(const void* start, Index bytes, Use use = Use::read) {
    if (size_ == kCapacity) return;
    const char* begin = static_cast<const char*>(start);
    const auto in_line = reinterpret_cast<std::uintptr_t>(begin) % kAlignment;
    pieces_[size_++] = {begin - in_line, begin + bytes, use};
  }

  void ask(int lines) {
    while (lines > 0 && size_ > 0) {
      Piece& piece = pieces_[size_ - 1];
      const char* next = piece.begin;
      for (; lines > 0 && next != piece.end; --lines) {
        prefetch(next, piece.use);
        next += std::min<Index>(piece.end - next, kAlignment);
      }
      piece.begin = next;
      if (next == piece.end) --size_;
    }
  }

 private:
  static constexpr std::size_t kCapacity = 256;
  struct Piece {
    const char* begin;
    const char* end;
    Use use;
  };

  // To read into the second cache, to write into the first.
  static void prefetch(const char* line, Use use) {
    if (use == Use::write) {
      __builtin_prefetch(line, 1, 3);
    } else {
      __builtin_prefetch(line, 0, 2);
    }
  }

  std::size_t size_ = 0;
  std::array<Piece, kCapacity> pieces_;
};

// Weights of more than this are not near a core any more when a step comes back to
// them.
inline constexpr Index kNearBytes = Index{512} << 10;

}  // namespace fastmlp
