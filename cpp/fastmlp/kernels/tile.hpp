// Register tiles of the products: their sizes, and where they read what they multiply.
#pragma once

#include <array>

#include "panels.hpp"

namespace fastmlp {

// What a register tile holds. With 64-byte registers: 12 rows x 2 panels, 24 of 32
// registers; with 32-byte ones 6 x 1 (12 of 16); with 16-byte ones 2 x 1 (8 of 16).
template <class T>
struct Tile {
  static constexpr int panels = kRegisters<T> == 1 ? 2 : 1;
  static constexpr int rows = kRegisters<T> == 1 ? 12 : kRegisters<T> == 2 ? 6 : 2;
  static constexpr int inputs = kRegisters<T> == 1 ? 8 : kRegisters<T> == 2 ? 6 : 2;
};

// Input columns multiplied before the next weights are taken: a chunk of the weight
// panels of one tile stays in L1.
template <class T>
inline constexpr Index kDepthBlock = 16 * kLanes<T>;

namespace detail {

// Where a tile of R rows reads its input. Column by column: x[row] is an element of
// each row, and after all columns of a panel comes the next panel. Or by whole panels:
// row(r) begins a row's part, and panels are skipped.
template <class Matrix, int R>
class TileInput;

// In panels every row lies at a constant distance from the first.
template <class T, int R>
class TileInput<Panels<T>, R> {
 public:
  TileInput(const T* x, Index stride) : x_(x), to_panel_(stride - kLanes<T>) {}
  const T* row(int r) const { return x_ + r * kLanes<T>; }
  T operator[](int r) const { return *row(r); }
  void next_column() { ++x_; }
  void next_panel() { x_ += to_panel_; }
  void skip_panel() { x_ += to_panel_ + kLanes<T>; }

 private:
  const T* x_;
  Index to_panel_;
};

// Four rows share a pointer, so that all of them find room in the registers.
template <class T, int R>
class TileInput<RowMajor<T>, R> {
 public:
  TileInput(const T* x, Index stride) : stride_(stride), stride_3_(3 * stride) {
    unrolled<kPointers>([&](auto i) { x_[i] = x + 4 * i * stride; });
  }
  const T* row(int r) const {
    const T* const x = x_[static_cast<std::size_t>(r / 4)];
    return r % 4 == 3 ? x + stride_3_ : x + r % 4 * stride_;
  }
  T operator[](int r) const { return *row(r); }
  void next_column() { skip(1); }
  void next_panel() {}
  void skip_panel() { skip(kLanes<T>); }

 private:
  void skip(Index columns) {
    unrolled<kPointers>([&](auto i) { x_[i] += columns; });
  }

  static constexpr int kPointers = (R + 3) / 4;
  std::array<const T*, static_cast<std::size_t>(kPointers)> x_;
  Index stride_, stride_3_;
};

// Where a tile reads its weights, row by row: in the panels that `w` begins with.
template <class T>
class TileWeights {
 public:
  explicit TileWeights(Panels<T> w) : w_(w.data), stride_(w.stride) {}
  Vec<T> operator()(int panel, int offset) const {
    return Vec<T>::load(w_ + panel * stride_ + offset);
  }
  void next_row() { w_ += kLanes<T>; }

 private:
  const T* w_;
  Index stride_;
};

// ... or in a row-major array, whence it packs them for the tiles after it.
template <class T>
class TileWeightsToPack {
 public:
  TileWeightsToPack(const T* w, Index w_stride, Panels<T> to)
      : w_(w), w_stride_(w_stride), to_(to.data), to_stride_(to.stride) {}
  Vec<T> operator()(int panel, int offset) const {
    const T* const at = w_ + panel * kLanes<T> + offset;
    if (offset == 0) __builtin_prefetch(at + kRowsAhead * w_stride_);
    const Vec<T> weight = Vec<T>::load_from(at);
    weight.store(to_ + panel * to_stride_ + offset);
    return weight;
  }
  void next_row() {
    w_ += w_stride_;
    to_ += kLanes<T>;
  }

 private:
  // Some 40 ns; beyond the last row, too, where there is nothing to fetch.
  static constexpr Index kRowsAhead = 12;
  const T* w_;
  Index w_stride_;
  T* to_;
  Index to_stride_;
};

}  // namespace detail

}  // namespace fastmlp
