// The words that every room uses: indices, ranges of rows, aligned memory.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace fastmlp {

using Index = Eigen::Index;

inline constexpr std::size_t kAlignment = 64;  // one cache line, one AVX-512 register

// Columns in a panel: one cache line of them, in float as in double.
template <class T>
inline constexpr Index kLanes = static_cast<Index>(kAlignment / sizeof(T));

constexpr Index divide_up(Index n, Index d) { return (n + d - 1) / d; }
constexpr Index round_up(Index n, Index d) { return divide_up(n, d) * d; }

struct Range {
  Index begin = 0;
  Index end = 0;
  constexpr Index size() const { return end - begin; }
  constexpr bool contains(Index i) const { return begin <= i && i < end; }
  bool operator==(const Range&) const = default;
};

// Part `i` of `parts` contiguous parts whose sizes differ by one at most, larger ones
// first. A loop over them divides once; the smallest batches, of one part, never.
constexpr Range even_part(Index n, Index parts, Index i) {
  if (parts == 1) return {0, n};
  const Index size = n / parts;
  const Index larger = n % parts;
  const Index begin = i * size + std::min(i, larger);
  return {begin, begin + size + (i < larger ? 1 : 0)};
}

// The number of the even part that holds i.
constexpr Index part_with(Index n, Index parts, Index i) {
  const Index size = n / parts;
  const Index larger = n % parts;
  const Index end = larger * (size + 1);  // of the larger ones
  return i < end ? i / (size + 1) : larger + (i - end) / size;
}

// Calls f(piece) for pieces of `size`, the last one of what is left.
template <class F>
constexpr void each_piece(Range all, Index size, F&& f) {
  for (Index begin = all.begin; begin < all.end; begin += size)
    f(Range{begin, std::min(all.end, begin + size)});
}

inline constexpr Index kPage = 4096;  // bytes; no system has smaller ones

// What new memory holds. Zeros at hand are in pages that are there already: for memory
// that is read before it is written. Reading maps a page of zeros that all share, and
// writing another one, for which every core that runs the process is interrupted.
enum class Fill { zeros, zeros_at_hand, anything };

// Memory on the boundary of a cache line or, where it is large, of a huge page; moves,
// does not copy. Zeros come from calloc, which gets large blocks as zero pages that are
// first touched by the thread that works on them. As far as they are filled, those are
// pages of 2 MiB, where the system has them: with pages of 4 KiB, to touch them first
// takes ten times as long, and large weights cost a look into the page table every few
// lines. Zeros at hand are first touched here, by whoever makes the buffer.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size, Fill fill = Fill::zeros) : size_(size) {
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    std::size_t alignment = kAlignment;
#if defined(MADV_HUGEPAGE)
    constexpr std::size_t huge_page = std::size_t{2} << 20;
    if (bytes >= huge_page) alignment = huge_page;
#endif
    std::size_t space = bytes + alignment;
    memory_.reset(fill == Fill::anything ? std::malloc(space) : std::calloc(space, 1));
    if (!memory_) throw std::bad_alloc();
    void* start = memory_.get();
    data_ = static_cast<T*>(std::align(alignment, bytes, start, space));
#if defined(MADV_HUGEPAGE)
    if (bytes >= huge_page)
      madvise(start, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
    if (fill == Fill::zeros_at_hand) touch();
  }

  T* data() const { return data_; }
  Index size() const { return size_; }
  T& operator[](Index i) const { return data_[i]; }

 private:
  void touch() const {
    constexpr Index step = kPage / static_cast<Index>(sizeof(T));
    volatile T* const to = data_;
    for (Index i = 0; i < size_; i += step) to[i] = T(0);
    if (size_ > 0) to[size_ - 1] = T(0);
  }

  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  Index size_ = 0;
  std::unique_ptr<void, Free> memory_;
  T* data_ = nullptr;
};

}  // namespace fastmlp
