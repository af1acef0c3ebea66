// Products of tiles on a matrix unit (Intel's AMX: "Intel Architecture Instruction Set
// Extensions Programming Reference", chapter 3), two rows and two columns of tiles at a
// time. The order of a sum follows from shapes alone.
#pragma once

#include "split.hpp"

namespace fastmlp {

// The gradient's left operand: a gradient unit's inputs, for some rows. Units with the
// same inputs take turns with it.
struct Strip {
  Buffer<Tiles::Pair> memory;
  Index layer = -1;   // none
  Range inputs = {};  // panels
  Range rows = {};
};

// What a thread multiplies tiles with: some steps of some rows as left operand, of two
// panels of weights as right one, and a strip.
struct TileScratch {
  // Of the left operand at once: 768 KiB, which stay in the second cache together with
  // the weights, 192 KiB, for so many steps.
  static constexpr Index kRowTiles = 256;
  static constexpr Index kMostSteps = 32;

  Buffer<Tiles::Pair> rows;
  Buffer<Tiles::Pair> weights{2 * kMostSteps * Tiles::kTile};
  Strip strip;

  TileScratch(Index most_rows, Index most_steps, Index strip_tiles)
      : rows(std::min(kRowTiles, divide_up(most_rows, Tiles::kLines) * most_steps) *
             Tiles::kTile),
        strip{Buffer<Tiles::Pair>(strip_tiles * Tiles::kTile)} {}
};

// The calling thread may use the unit while one lives, if it is `used`; nobody else in
// this thread may meanwhile.
template <class T>
class UsingTiles {
 public:
  explicit UsingTiles(bool used) : used_(used) {
    if constexpr (kUsesTiles<T>) {
      if (!used_) return;
      const struct alignas(kAlignment) {
        std::uint8_t palette = 1;
        std::uint8_t start = 0;
        std::uint8_t reserved[14] = {};
        std::uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        std::uint8_t lines[16] = {16, 16, 16, 16, 16, 16, 16, 16};
      } shapes;
      asm volatile("ldtilecfg %0" : : "m"(shapes));
    }
  }
  ~UsingTiles() {
    if constexpr (kUsesTiles<T>) {
      if (used_) asm volatile("tilerelease");
    }
  }
  UsingTiles(const UsingTiles&) = delete;
  UsingTiles& operator=(const UsingTiles&) = delete;

 private:
  bool used_;
};

// Lines of memory that may be asked for with a product of parts: of the next weights
// or, in a gradient, of what its update changes.
inline constexpr int kLinesWithWeights = 4;
inline constexpr int kLinesWithGradient = 2;

namespace detail {

template <int tile>
[[gnu::always_inline]] inline void load_tile(const void* from) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
               :
               : "r"(from), "r"(Index{kAlignment}), "i"(tile)
               : "memory");
}
template <int tile>
[[gnu::always_inline]] inline void store_tile(void* to) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
               :
               : "r"(to), "r"(Index{kAlignment}), "i"(tile)
               : "memory");
}
template <int tile>
[[gnu::always_inline]] inline void clear_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(tile));
}
template <int sum, int left, int right>
[[gnu::always_inline]] inline void add_product() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0"
               :
               : "i"(sum), "i"(left), "i"(right));
}

// Sums of R x C tiles: sums(r, c) = sum over steps of a(r) b(c), or that added to them,
// step by step. The unit has eight registers: four for sums, two for each operand. The
// six products of parts come in such an order that each shares an operand with the one
// before it.
template <int lines, int R, int C, class T>
[[gnu::noinline]] void multiply_tiles(const Tiles::Pair* a, Index a_stride,
                                      const Tiles::Pair* b, Index b_stride, Index steps,
                                      bool adds, T* sums, Index sums_stride,
                                      Ahead& ahead) {
  const auto each_sum = [&](auto&& f) __attribute__((always_inline)) {
    unrolled<R, C>([&](auto r, auto c) __attribute__((always_inline)) {
      f(std::integral_constant<int, 2 * r + c>{},
        sums + r * Tiles::kPart + c * sums_stride);
    });
  };
  if (adds) {
    each_sum([](auto tile, T* at)
                 __attribute__((always_inline)) { load_tile<tile>(at); });
  } else {
    each_sum([](auto tile, T*) __attribute__((always_inline)) { clear_tile<tile>(); });
  }
  const auto left = [&](Index part) __attribute__((always_inline)) {
    unrolled<R>([&](auto r) __attribute__((always_inline)) {
      load_tile<4 + r>(a + r * a_stride + part * Tiles::kPart);
    });
  };
  const auto right = [&](Index part) __attribute__((always_inline)) {
    unrolled<C>([&](auto c) __attribute__((always_inline)) {
      load_tile<6 + c>(b + c * b_stride + part * Tiles::kPart);
    });
  };
  const auto product = [&]() __attribute__((always_inline)) {
    unrolled<R, C>([&](auto r, auto c) __attribute__((always_inline)) {
      add_product<2 * r + c, 4 + r, 6 + c>();
    });
    ahead.ask<lines>();
  };
  for (; steps > 0; --steps, a += Tiles::kTile, b += Tiles::kTile) {
    right(0), left(2), product();
    left(1), product();
    right(1), product();
    left(0), product();
    right(2), product();
    right(0), product();
  }
  each_sum([](auto tile, T* at)
               __attribute__((always_inline)) { store_tile<tile>(at); });
}

}  // namespace detail

// sums(row, column) = sum over some steps of a(row) b(column), or that added to them,
// for so many tiles of rows and columns; a column's sums follow one another.
template <int lines, class T>
void multiply_tiles(Tiles a, Index rows, Tiles b, Index columns, Index steps, bool adds,
                    T* sums, Index sums_stride, Ahead& ahead) {
  constexpr std::integral_constant<int, 1> one;
  constexpr std::integral_constant<int, 2> two;
  each_piece({0, columns}, 2, [&](Range c) {
    T* to = sums + c.begin * sums_stride;
    each_piece({0, rows}, 2, [&](Range r) {
      const auto multiply = [&](auto R, auto C) {
        detail::multiply_tiles<lines, R, C>(a.at(r.begin), a.steps * Tiles::kTile,
                                            b.at(c.begin), b.steps * Tiles::kTile,
                                            steps, adds, to, sums_stride, ahead);
      };
      if (r.size() == 2) {
        c.size() == 2 ? multiply(two, two) : multiply(two, one);
      } else {
        c.size() == 2 ? multiply(one, two) : multiply(one, one);
      }
      to += r.size() * Tiles::kPart;
    });
  });
}

// y = finish(x w + bias) for some panels of y; `done(panel, rows)` follows each. Of x's
// columns, `in_pairs` are taken by pairs of panels. `w` takes its panels apart (as
// WeightTiles do). A stretch of steps at a time, of which y keeps the sums; y has room
// for whole tiles of rows, and what lies behind the last of `rows` is overwritten.
template <class T, class Weights, class Finish, class Done>
void multiply(Panels<T> x, Index in_pairs, Range rows, const Weights& w, Range panels,
              const T* bias, const Finish& finish, Panels<T> y, TileScratch& scratch,
              Ahead& ahead, Done&& done) {
  constexpr Index L = kLanes<T>;
  const Index tiles = divide_up(rows.size(), Tiles::kLines);
  const Index most_steps =
      std::min(TileScratch::kMostSteps, TileScratch::kRowTiles / tiles);
  const Index stretches = divide_up(w.steps(), most_steps);
  const auto steps_of = [&](Index i) { return even_part(w.steps(), stretches, i); };
  const auto two_from = [&](Index panel) {
    return Range{panel, std::min(panels.end, panel + 2)};
  };
  const bool asks = w.bytes() > kNearBytes;
  for (Index i = 0; i < stretches; ++i) {
    const Range steps = steps_of(i);
    const bool is_last = i + 1 == stretches;
    const Tiles left{scratch.rows.data(), steps.size()};
    const Tiles right{scratch.weights.data(), steps.size()};
    eigen_assert(tiles * steps.size() * Tiles::kTile <= scratch.rows.size());
    split_rows(x, rows, in_pairs, steps, left);
    each_piece(panels, 2, [&](Range two) {
      for (Index p = two.begin; p < two.end; ++p)
        w.split(p, steps, right.at(p - two.begin));
      const std::size_t asked_before = ahead.size();
      if (asks && two.end < panels.end) {
        w.expect(two_from(two.end), steps, ahead);
      } else if (asks && !is_last) {
        w.expect(two_from(panels.begin), steps_of(i + 1), ahead);
      }
      multiply_tiles<kLinesWithWeights>(left, tiles, right, two.size(), steps.size(),
                                        i > 0, y.at(two.begin, rows.begin), y.stride,
                                        ahead);
      ahead.forget_after(asked_before);  // weights that are wanted now
      if (!is_last) return;
      for (Index p = two.begin; p < two.end; ++p) {
        const auto ready = finish.from(p, rows.begin);
        const Vec<T> added = Vec<T>::load(bias + p * L);
        T* const to = y.at(p, rows.begin);
        for (Index j = 0; j < rows.size() * L; j += L)
          ready(Vec<T>::load(to + j) + added, 0, j).store(to + j);
        done(p, rows);
      }
    });
  }
}

}  // namespace fastmlp
