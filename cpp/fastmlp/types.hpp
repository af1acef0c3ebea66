// The words that every room uses: indices, ranges of rows, aligned memory.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

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
};

// Part `i` of `parts` contiguous parts whose sizes differ by one at most.
constexpr Range even_part(Index n, Index parts, Index i) {
  return {n * i / parts, n * (i + 1) / parts};
}

// Zeroed memory on a cache-line boundary; moves, does not copy.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size)
      : size_(size),
        data_(static_cast<T*>(::operator new(static_cast<std::size_t>(size) * sizeof(T),
                                             std::align_val_t{kAlignment}))) {
    std::fill_n(data_.get(), size, T(0));
  }

  T* data() const { return data_.get(); }
  Index size() const { return size_; }
  T& operator[](Index i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t{kAlignment}); }
  };
  Index size_ = 0;
  std::unique_ptr<T[], Free> data_;
};

}  // namespace fastmlp
