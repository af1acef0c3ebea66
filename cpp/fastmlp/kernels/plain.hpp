// The product of rows with weights that lie row-major in an array, for one use: a
// packed copy of all of them would go to memory and back. The same sums in the same
// order as with packed weights.
#pragma once

#include <bit>

#include "gemm.hpp"

namespace fastmlp {
namespace detail {

// For up to so many rows, weights stream past sums that stay in the first cache: those
// of kStreamedPanels panels at a time.
inline constexpr int kStreamedRows = 4;
inline constexpr Index kStreamedPanels = 64;

// One after the other, x(r, k) w(k, p) for k < K are added to sums(r, p): x comes row
// by row, w row-major, sums as [panel][row][lane].
template <class T, int R, int K>
[[gnu::noinline]] void add_weight_rows(const std::array<const T*, R>& x, const T* w,
                                       Index w_stride, Index panels, T* sums) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  std::array<Vec<T>, static_cast<std::size_t>(R * K)> input;
  unrolled<R, K>([&](auto r, auto k) { input[r * K + k] = Vec<T>(x[r][k]); });
  for (const T* const end = w + panels * L; w != end; w += L, sums += R * L) {
    unrolled<kRegisters<T>>([&](auto v) {
      std::array<Vec<T>, static_cast<std::size_t>(K)> weight;
      unrolled<K>(
          [&](auto k) { weight[k] = Vec<T>::load_from(w + k * w_stride + v * S); });
      unrolled<R>([&](auto r) {
        T* const at = sums + r * L + v * S;
        Vec<T> sum = Vec<T>::load(at);
        unrolled<K>([&](auto k) { sum = fma(input[r * K + k], weight[k], sum); });
        sum.store(at);
      });
    });
  }
}

// x(r, k) w(k) for columns `depth` of x, from a whole panel on, are added to the sums
// of a single panel ([row][lane]); w begins with the first of these columns. Sums stay
// in registers as far as there are enough: in memory they would wait for each other
// longer than the additions take (64-100-10: 4 % of a row's time).
template <class T, int R, class Matrix>
[[gnu::noinline]] void add_weight_panel(const Matrix& x, Index row, Range depth,
                                        const T* w, Index w_stride, T* sums) {
  constexpr int V = kRegisters<T>;
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  eigen_assert(depth.begin % L == 0);
  std::array<Vec<T>, static_cast<std::size_t>(R * V)> sum;
  unrolled<R * V>([&](auto i) { sum[i] = Vec<T>::load(sums + i * S); });
  for (Index k = depth.begin; k < depth.end;) {
    TileInput<Matrix, R> inputs(x.at(k / L, row), x.stride);
    const Index end = std::min(depth.end, k + L);
    for (; k < end; ++k, w += w_stride, inputs.next_column()) {
      unrolled<V>([&](auto v) {
        const Vec<T> weight = Vec<T>::load_from(w + v * S);
        unrolled<R>([&](auto r) {
          sum[r * V + v] = fma(Vec<T>(inputs[r]), weight, sum[r * V + v]);
        });
      });
    }
  }
  unrolled<R * V>([&](auto i) { sum[i].store(sums + i * S); });
}

// y = finish(x w + b) for R rows and some panels: K rows of w at a time (where there is
// more than one panel), as many as leave registers for their R x K inputs, the weights
// and a sum; a power of two, so that K inputs lie in one panel.
template <int R, class Matrix, class T, class Finish>
[[gnu::noinline]] void multiply_streamed(const Matrix& x, Index row, RowMajor<T> w,
                                         Range panels, const T* bias,
                                         const Finish& finish, Panels<T> y) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  constexpr auto most = static_cast<unsigned>(std::min(8, kSums<T> * 2 / 3 / R));
  constexpr int K = std::bit_floor(most);
  alignas(kAlignment) T sums[kStreamedPanels * R * L];
  const auto add = [&](Index k, auto count, const T* weights) {
    const TileInput<Matrix, R> inputs(x.at(k / L, row), x.stride);
    std::array<const T*, R> from;
    unrolled<R>([&](auto r) { from[r] = inputs.row(r) + k % L; });
    add_weight_rows<T, R, count>(from, weights, w.stride, panels.size(), sums);
  };
  const auto add_rows = [&](Range depth) {
    if (panels.size() == 1)
      return add_weight_panel<T, R>(x, row, depth, w.at(panels.begin, depth.begin),
                                    w.stride, sums);
    Index k = depth.begin;
    for (; k + K <= depth.end; k += K)
      add(k, std::integral_constant<int, K>{}, w.at(panels.begin, k));
    for (; k < depth.end; ++k)
      add(k, std::integral_constant<int, 1>{}, w.at(panels.begin, k));
  };
  // What follows a last panel's columns is the next row, but for the last one, which
  // nothing may follow. A panel that is half full does not reach beyond it.
  const auto add_last_row = [&](Index k) {
    alignas(kAlignment) T padded[kStreamedPanels * L];
    const T* const from = w.at(panels.begin, k);
    std::fill(std::copy(from, w.at(0, k) + w.columns, padded),
              padded + panels.size() * L, T(0));
    add(k, std::integral_constant<int, 1>{}, padded);
  };
  const bool is_partial = panels.end * L > w.columns;
  eigen_assert(panels.end * L - w.columns <= w.stride);
  each_chunk<T>(x.columns, finish, [&](const Chunk<T>& chunk, const auto& how) {
    const Range depth = chunk.depth();
    std::fill_n(sums, panels.size() * R * L, T(0));
    if (is_partial && chunk.is_last()) {
      add_rows({depth.begin, depth.end - 1});
      add_last_row(depth.end - 1);
    } else {
      add_rows(depth);
    }
    const T* sum = sums;
    for (Index p = panels.begin; p < panels.end; ++p) {
      const auto ready = how.from(p, row);
      for (Index i = 0; i < R * L; i += S, sum += S) {
        T* const to = y.at(p, row) + i;
        const T* const added = depth.begin == 0 ? bias + p * L + i % L : to;
        ready(Vec<T>::load(sum) + Vec<T>::load(added), 0, i).store(to);
      }
    }
  });
}

// The same for any number of rows and P panels, from `panel` on: of each chunk of
// weights, the first tile of rows packs what those after it read (up to 32 KB, on the
// stack, since nothing may throw in a thread of a team; no two frames of this kind at a
// time, as they are not inlined).
template <int P, class Matrix, class T, class Finish>
[[gnu::noinline]] void multiply_packing(const Matrix& x, Range rows, RowMajor<T> w,
                                        Index panel, const T* bias,
                                        const Finish& finish, Panels<T> y,
                                        Ahead& ahead) {
  constexpr Index L = kLanes<T>;
  constexpr Index stride = kDepthBlock<T> * L;
  alignas(kAlignment) T memory[P * stride];
  const Panels<T> packed{memory, stride, std::min(P * L, w.columns - panel * L)};
  const Index tiles = divide_up(rows.size(), Tile<T>::rows);
  const Index after_first = rows.begin + even_part(rows.size(), tiles, 0).size();
  each_chunk<T>(x.columns, finish, [&](const Chunk<T>& chunk, const auto& how) {
    const Range depth = chunk.depth();
    const T* const from = w.at(panel, depth.begin);
    const auto multiply_by = [&](const auto& weights, Range some) {
      multiply_panels<P>(x, some, weights, depth, bias, how, y, panel, ahead);
    };
    if (packed.columns == P * L) {
      multiply_by(TileWeightsToPack<T>(from, w.stride, packed),
                  {rows.begin, after_first});
      multiply_by(TileWeights<T>(packed), {after_first, rows.end});
    } else {  // a tile would read beyond the last column
      std::fill_n(packed.at(P - 1, 0), depth.size() * L, T(0));
      pack(from, w.stride, {0, depth.size()}, packed);
      multiply_by(TileWeights<T>(packed), rows);
    }
  });
}

}  // namespace detail

// The same as with packed weights. Never inlined: that would cost the passes of a
// training, which do without it, up to 1 %.
template <class Matrix, class T, class Finish, class Done>
[[gnu::noinline]] void multiply(const Matrix& x, Range rows, RowMajor<T> w,
                                Range panels, const T* bias, const Finish& finish,
                                Panels<T> y, Ahead& ahead, Done&& done) {
  const auto done_with = [&](Range some) {
    for (Index p = some.begin; p < some.end; ++p) done(p, rows);
  };
  if (rows.size() > detail::kStreamedRows) {
    detail::each_tile<T>(panels, [&](Index panel, auto count) {
      detail::multiply_packing<count>(x, rows, w, panel, bias, finish, y, ahead);
      done_with({panel, panel + count});
    });
    return;
  }
  unrolled<detail::kStreamedRows>([&](auto r) {
    if (rows.size() != r + 1) return;
    each_piece(panels, detail::kStreamedPanels, [&](Range part) {
      detail::multiply_streamed<r + 1>(x, rows.begin, w, part, bias, finish, y);
    });
  });
  done_with(panels);
}

}  // namespace fastmlp
