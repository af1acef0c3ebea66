// The products of a layer's last few outputs, where a panel would be padding for the
// most part: registers run along the inputs instead. The weights are kept as rows
// [panel of inputs][output][lane], which is how the input gradient takes them, too.
//
// x: inputs, w: weights, d: gradient with respect to the outputs; C outputs.
#pragma once

#include <cstring>

#include "gemm.hpp"

namespace fastmlp {

// At most so many outputs are taken this way.
template <class T>
inline constexpr Index kNarrow = kLanes<T> / 2;

// Of a layer with so many outputs; the others fill whole panels, or nearly.
template <class T>
constexpr Index narrow_outputs(Index outputs) {
  const Index rest = outputs % kLanes<T>;
  return rest <= kNarrow<T> ? rest : 0;
}

namespace detail {

// The inputs in the last panel, fewer than lanes perhaps.
template <class T>
struct LastPanel {
  Index width;
  // All bits set in the lanes that hold inputs, none in the padding (which may hold
  // anything, NaN too).
  alignas(kAlignment) T keep[kLanes<T>] = {};

  explicit LastPanel(Index inputs) : width(inputs) {
    std::memset(keep, 0xff, static_cast<std::size_t>(width) * sizeof(T));
  }
};

// y(r, c) = bias(c) + x(r, :) w(c, :) for R rows; `bias` comes once for each row.
template <class Matrix, class T, int R, int C>
[[gnu::noinline]] void dot_tile(const T* x, Index x_stride, const T* w, Index w_stride,
                                Index panels, const LastPanel<T>& last, const T* bias,
                                T least, T* y) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  constexpr int groups = (R * C + S - 1) / S;
  std::array<Vec<T>, static_cast<std::size_t>(groups * S)> sum;
  unrolled<groups * S>([&](auto i) { sum[i] = Vec<T>(0); });
  const auto add = [&](const auto& rows, auto&& inputs) __attribute__((always_inline)) {
    unrolled<kRegisters<T>>([&](auto v) {
      std::array<Vec<T>, static_cast<std::size_t>(C)> weight;
      unrolled<C>(
          [&](auto c) { weight[c] = inputs(Vec<T>::load(w + c * L + v * S), v); });
      unrolled<R>([&](auto r) {
        const Vec<T> in = inputs(Vec<T>::load_from(rows.row(r) + v * S), v);
        unrolled<C>(
            [&](auto c) { sum[r * C + c] = fma(in, weight[c], sum[r * C + c]); });
      });
    });
  };
  TileInput<Matrix, R> rows(x, x_stride);
  for (; panels > 1; --panels, rows.skip_panel(), w += w_stride)
    add(rows, [](Vec<T> all, auto) { return all; });
  const auto kept = [&](Vec<T> all, auto v) {
    return all & Vec<T>::load(last.keep + v * S);
  };
  if constexpr (std::is_same_v<Matrix, Panels<T>>) {
    add(rows, kept);
  } else {  // there may be nothing behind the last column
    alignas(kAlignment) T padded[R * L] = {};
    unrolled<R>([&](auto r) { std::copy_n(rows.row(r), last.width, padded + r * L); });
    add(TileInput<Panels<T>, R>(padded, 0), kept);
  }
  alignas(kAlignment) T sums[groups * S];
  unrolled<groups>([&](auto g) {
    Registers<T> group;
    unrolled<S>([&](auto i) { group[i] = sum[g * S + i]; });
    const Vec<T> biased = sum_lanes(group) + Vec<T>::load(bias + g * S);
    max(biased, Vec<T>(least)).store(sums + g * S);
  });
  unrolled<R>([&](auto r) { std::copy_n(sums + r * C, C, y + r * L); });
}

// How C outputs share the registers: whole panels of inputs side by side, or a part of
// one panel's row at a time.
template <class T, int C>
struct NarrowTile {
  static constexpr int registers() {
    int n = kRegisters<T>;
    while (n > 1 && C * n > kSums<T>) n /= 2;
    return n;
  }
  static constexpr int N = registers();
  static constexpr int P = N < kRegisters<T> ? 1 : std::clamp(kSums<T> / (C * N), 1, 6);
  static constexpr int rows = std::max(1, (kSums<T> * 2 / 3) / C);
};

// R rows at a time, then the rest by ever smaller tiles.
template <int R, int C, class Matrix, class T>
void dot_tiles(const Matrix& x, Range rows, Panels<T> w, const LastPanel<T>& last,
               const T* bias, T least, T* y) {
  Index row = rows.begin;
  for (; row + R <= rows.end; row += R, y += R * kLanes<T>)
    dot_tile<Matrix, T, R, C>(x.at(0, row), x.stride, w.data, w.stride, w.count(), last,
                              bias, least, y);
  if constexpr (R > 1) {
    if (row < rows.end)
      dot_tiles<R / 2, C>(x, {row, rows.end}, w, last, bias, least, y);
  }
}

template <int C, class Matrix, class T>
void dot_rows(const Matrix& x, Range rows, Panels<T> w, const T* bias, T least, T* y) {
  constexpr int R = NarrowTile<T, C>::rows;
  alignas(kAlignment) T biases[round_up(R * C, Vec<T>::size)] = {};
  for (int i = 0; i < R * C; ++i) biases[i] = bias[i % C];
  const LastPanel<T> last(w.width(w.count() - 1));
  dot_tiles<R, C>(x, rows, w, last, biases, least, y);
}

template <class T, int C>
void narrow_gradient_rows(Panels<T> x, Range panels, const T* d, Range rows, bool add,
                          T* g, Ahead& ahead) {
  using Tile = NarrowTile<T, C>;
  constexpr Index block = C * kLanes<T>;
  const auto tiles = divide_up(panels.size(), Tile::P);
  for (Index i = 0; i < tiles; ++i) {
    const Range part = even_part(panels.size(), tiles, i);
    const T* from = x.at(panels.begin + part.begin, rows.begin);
    T* to = g + part.begin * block;
    for (int n = 0; n < kRegisters<T>; n += Tile::N) {
      unrolled<Tile::P>([&](auto p) {
        if (part.size() == p + 1)
          gradient_tile<T, C, p + 1, Tile::N>(d, from + n * Vec<T>::size, x.stride,
                                              rows.size(), add, to + n * Vec<T>::size,
                                              block, ahead);
      });
    }
  }
}

// dx(r, :) = finish(sum over c of d(r, c) w(c, :)) and g(c, :) = sum over r of d(r, c)
// x(r, :) for one panel. dx may be x, and what `finish` reads in its place: each is
// read before it is overwritten.
template <class T, int C, class Finish>
void backward_panel(const T* x, const T* d, Index rows, const T* w,
                    const Finish& finish, T* dx, T* g) {
  constexpr Index L = kLanes<T>;
  constexpr int chains = gradient_chains(C);
  for (Index v = 0; v < L; v += Vec<T>::size) {
    std::array<Vec<T>, static_cast<std::size_t>(C)> weight;
    unrolled<C>([&](auto c) { weight[c] = Vec<T>::load(w + c * L + v); });
    std::array<Vec<T>, static_cast<std::size_t>(chains * C)> sum;
    unrolled<chains * C>([&](auto i) { sum[i] = Vec<T>(0); });
    const auto take_row = [&](Index row, auto chain) __attribute__((always_inline)) {
      const Vec<T> input = Vec<T>::load(x + row * L + v);
      Vec<T> down(0);
      unrolled<C>([&](auto c) {
        const Vec<T> up(d[row * L + c]);
        down = fma(up, weight[c], down);
        sum[chain * C + c] = fma(up, input, sum[chain * C + c]);
      });
      finish(down, 0, row * L + v).store(dx + row * L + v);
    };
    Index row = 0;
    for (; row + chains <= rows; row += chains)
      unrolled<chains>([&](auto chain) { take_row(row + chain, chain); });
    for (; row < rows; ++row) take_row(row, std::integral_constant<int, 0>{});
    unrolled<C>([&](auto c) {
      unrolled<chains - 1>(
          [&](auto chain) { sum[c] = sum[c] + sum[(chain + 1) * C + c]; });
      sum[c].store(g + c * L + v);
    });
  }
}

// f(C) with C = outputs as a constant.
template <class T, class F>
void with_outputs(Index outputs, F&& f) {
  unrolled<static_cast<int>(kNarrow<T>)>([&](auto c) {
    if (outputs == c + 1) f(std::integral_constant<int, c + 1>{});
  });
}

}  // namespace detail

// y = x w^T + b, or `least` where that is less, for `rows` of x (Panels or RowMajor),
// into the panel at `y` (its first row in `rows`): `outputs` columns of it.
template <class Matrix, class T>
void multiply_narrow(const Matrix& x, Range rows, Panels<T> w, Index outputs,
                     const T* bias, T least, T* y) {
  detail::with_outputs<T>(
      outputs, [&](auto c) { detail::dot_rows<c>(x, rows, w, bias, least, y); });
}

// The gradient of the weights between some panels of inputs and `outputs` outputs whose
// gradients are in the panel at `d`, into `g` ([panel of inputs][output][lane]); `add`s
// to what is there.
template <class T>
void weight_gradient_narrow(Panels<T> x, Range panels, const T* d, Index outputs,
                            Range rows, bool add, T* g, Ahead& ahead) {
  detail::with_outputs<T>(outputs, [&](auto c) {
    detail::narrow_gradient_rows<T, c>(x, panels, d, rows, add, g, ahead);
  });
}

// Both gradients of `outputs` outputs and no others, while a panel of inputs is at
// hand: dx, finished, of some rows, perhaps in the place of x; and these rows' part of
// the weights', into the rows of `sums` from `sums_row` on, one for each output. The
// outputs' gradients are in the panel at `d` (its first row in `rows`).
template <class T, class Finish>
void backward_narrow(Panels<T> x, const T* d, Index outputs, Range rows, Panels<T> w,
                     const Finish& finish, Panels<T> dx, Panels<T> sums,
                     Index sums_row) {
  detail::with_outputs<T>(outputs, [&](auto c) {
    for (Index panel = 0; panel < dx.count(); ++panel)
      detail::backward_panel<T, c>(x.at(panel, rows.begin), d, rows.size(),
                                   w.at(panel, 0), finish.from(panel, rows.begin),
                                   dx.at(panel, rows.begin), sums.at(panel, sums_row));
  });
}

}  // namespace fastmlp
