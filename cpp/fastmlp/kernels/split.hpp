// Operands of a matrix unit that multiplies bfloat16 and sums in float (Intel's AMX),
// for products as precise as those of floats. A float is the sum of three bfloat16, of
// which each takes what the ones before it leave; of the nine products of parts, the
// six largest are summed. What is left out is 2^-23 of the product of two floats at
// worst, usually 2^-27, and of either sign. (G. Henry, P. T. P. Tang, A. Heinecke,
// "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
// Computations", ARITH 2019.)
//
// Infinity has no such parts: it becomes NaN, and so does what rounds to it, beyond
// 3.39e38. Of numbers below 2^-103 third parts are lost, from 2^-118 on second ones:
// the unit takes subnormal numbers for 0.
#pragma once

#include "narrow.hpp"

namespace fastmlp {

// Whether this level has such a unit for products of T.
#if defined(__AMX_BF16__)
inline constexpr bool kHasMatrixUnit = true;
#else
inline constexpr bool kHasMatrixUnit = false;
#endif
template <class T>
inline constexpr bool kUsesTiles = kHasMatrixUnit && std::is_same_v<T, float>;

// A matrix, or its transpose, as operand of the unit. A tile has 16 lines of 16 pairs
// of bfloat16, and comes in three parts; a product sums over the pairs of a line. For a
// left operand lines are the product's rows; for a right one they are pairs, and the
// columns lie side by side. The tiles that a product sums over, its steps, follow one
// another.
struct Tiles {
  using Pair = std::uint32_t;
  static constexpr Index kLines = 16;
  static constexpr Index kPart = kLines * 16;  // pairs
  static constexpr Index kTile = 3 * kPart;

  Pair* data = nullptr;
  Index steps = 0;

  Pair* at(Index tile, Index step = 0) const {
    return data + (tile * steps + step) * kTile;
  }
  // Those behind a tile and a step.
  Tiles from(Index tile, Index step) const { return {at(tile, step), steps}; }
  explicit operator bool() const { return data != nullptr; }
};

struct TileBuffer {
  Buffer<Tiles::Pair> memory;
  Tiles tiles;

  TileBuffer(Index count, Index steps)
      : memory(count * steps * Tiles::kTile), tiles{memory.data(), steps} {}
};

// An even part of panels of inputs. A matrix unit multiplies two panels at a time.
template <class T>
constexpr Range input_part(Index panels, Index parts, Index i) {
  constexpr Index together = kUsesTiles<T> ? 2 : 1;
  const Range part = even_part(divide_up(panels, together), parts, i);
  return {part.begin * together, std::min(panels, part.end * together)};
}

// Half of a tile: lines of a panel, as many as there are; the others count as zero.
template <class T>
struct TileHalf {
  const T* lines = nullptr;
  Index count = 0;

  Vec<T> line(Index i) const {
    return i < count ? Vec<T>::load(lines + i * kLanes<T>) : Vec<T>(0);
  }
};

// The steps of a product over so many columns, in panels of which the first are taken
// by pairs and the others, last few outputs, one by one.
template <class T>
constexpr Index tile_steps(Index columns, Index in_pairs) {
  const Index pairs = divide_up(divide_up(in_pairs, kLanes<T>), 2);
  return pairs + (in_pairs < columns ? 1 : 0);
}

namespace detail {

// The parts of pairs (a, b).
template <class T>
[[gnu::always_inline]] inline void split_line(Vec<T> a, Vec<T> b, Tiles::Pair* to) {
  using Words = typename Vec<T>::Words;
  constexpr std::uint32_t high = 0xffff0000;
  unrolled<3>([&](auto part) __attribute__((always_inline)) {
    // The first one to nearest, so that the second may have either sign; the last one
    // takes what is left, NaN included, as it is.
    constexpr std::uint32_t half = part == 0 ? 0x8000 : 0;
    const Words of_a = a.words() + half;
    const Words of_b = b.words() + half;
    Vec<T>::of_words((of_a >> 16) | (of_b & high))
        .store(reinterpret_cast<T*>(to + part * Tiles::kPart));
    a = a - Vec<T>::of_words(of_a & high);
    b = b - Vec<T>::of_words(of_b & high);
  });
}

}  // namespace detail

// A tile whose lines pair those of two halves.
template <class T>
void split(TileHalf<T> a, TileHalf<T> b, Tiles::Pair* to) {
  constexpr Index L = kLanes<T>;
  const Index both = std::min(a.count, b.count);
  Index i = 0;
  for (; i < both; ++i)
    detail::split_line(Vec<T>::load(a.lines + i * L), Vec<T>::load(b.lines + i * L),
                       to + i * L);
  for (; i < Tiles::kLines; ++i) detail::split_line(a.line(i), b.line(i), to + i * L);
}

// The same of transposed halves.
template <class T>
void split_transposed(TileHalf<T> a, TileHalf<T> b, Tiles::Pair* to) {
  constexpr Index L = kLanes<T>;
  alignas(kAlignment) T lines[Tiles::kPart];
  const auto transposed = [](TileHalf<T> half) __attribute__((always_inline)) {
    Registers<T> v;
    unrolled<Vec<T>::size>([&](auto i) { v[i] = half.line(i); });
    transpose(v);
    return v;
  };
  {
    const Registers<T> v = transposed(a);
    unrolled<Vec<T>::size>([&](auto i) { v[i].store(lines + i * L); });
  }
  const Registers<T> v = transposed(b);
  unrolled<Vec<T>::size>([&](auto i) {
    detail::split_line(Vec<T>::load(lines + i * L), v[i], to + i * L);
  });
}

// Some steps of rows of x as a left operand; of its columns, `in_pairs` are taken by
// pairs of panels.
template <class T>
void split_rows(Panels<T> x, Range rows, Index in_pairs, Range steps, Tiles to) {
  constexpr Index L = kLanes<T>;
  const Index paired = divide_up(in_pairs, L);
  const Index last = x.count() - 1;
  const detail::LastPanel<T> inputs(x.width(last));
  const Vec<T> keep = Vec<T>::load(inputs.keep);
  alignas(kAlignment) T kept[Tiles::kPart];
  Index tile = 0;
  each_piece(rows, Tiles::kLines, [&](Range lines) {
    const T* const padded = x.at(last, lines.begin);
    for (Index i = 0; i < lines.size() * L; i += L)
      (Vec<T>::load(padded + i) & keep).store(kept + i);
    const auto half = [&](Index panel) {
      return TileHalf<T>{panel == last ? kept : x.at(panel, lines.begin), lines.size()};
    };
    Tiles::Pair* at = to.at(tile++);
    for (Index step = steps.begin; step < steps.end; ++step, at += Tiles::kTile) {
      const Index p = std::min(2 * step, paired);
      split(half(p), p + 1 < paired ? half(p + 1) : TileHalf<T>{}, at);
    }
  });
}

// Rows in a group, whose halves a tile pairs.
inline constexpr Index kTileRows = 2 * Tiles::kLines;

// Panels of x by groups of rows, as the operands of a product that sums over rows: a
// right one or, transposed, a left one. Rows that the last one lacks count as zero.
template <bool transposed, class T>
void split_panels(Panels<T> x, Range panels, Range rows, Tiles to) {
  for (Index p = panels.begin; p < panels.end; ++p) {
    Tiles::Pair* at = to.at(p - panels.begin);
    each_piece(rows, kTileRows, [&](Range group) {
      const auto half = [&](Index from) {
        return TileHalf<T>{x.at(p, from),
                           std::clamp<Index>(group.end - from, 0, Tiles::kLines)};
      };
      const Index middle = group.begin + Tiles::kLines;
      if constexpr (transposed) {
        split_transposed(half(group.begin), half(middle), at);
      } else {
        split(half(group.begin), half(middle), at);
      }
      at += Tiles::kTile;
    });
  }
}

}  // namespace fastmlp
