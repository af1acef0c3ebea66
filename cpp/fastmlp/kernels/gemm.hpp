// The three products of a dense layer on column panels: y = x w + b (x may be
// row-major, too), dx = dy w^T and dw = x^T dy. Every element of a result is a sum of
// chains of FMAs in ascending order, and shapes alone say where they begin: its bits
// depend neither on rows around it nor on threads.
#pragma once

#include <array>
#include <limits>
#include <utility>

#include "tile.hpp"

namespace fastmlp {

namespace detail {

// y(r, p) = finish(sum over k of x(r, k) w(k, p) + added(r, p)), for R rows and P
// panels. Sums that began with what is added would wait for its loads (some 30 cycles a
// tile). Never inlined and not unrolled over k: both cost registers (a spill costs 20
// %).
template <class Matrix, class Weights, class T, int R, int P, class Finish>
[[gnu::noinline]] void multiply_tile(const T* x, Index x_stride, Weights weights,
                                     Index depth, const T* added, Index added_row,
                                     Index added_stride, Finish finish, T* y,
                                     Index y_stride, Ahead& ahead) {
  constexpr int V = kRegisters<T>;
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  std::array<Vec<T>, R * P * V> sum;
  unrolled<R * P * V>([&](auto i) { sum[i] = Vec<T>(0); });
  TileInput<Matrix, R> inputs(x, x_stride);
  for (; depth > 0; depth -= L, inputs.next_panel()) {
    const Index lanes = std::min(L, depth);
    ahead.ask<kLinesWithPanel>();
    for (Index k = 0; k < lanes; ++k, weights.next_row(), inputs.next_column()) {
      std::array<Vec<T>, P * V> weight;
      unrolled<P, V>([&](auto p, auto v) { weight[p * V + v] = weights(p, v * S); });
      unrolled<R>([&](auto r) {
        const Vec<T> input(inputs[r]);
        unrolled<P * V>([&](auto i) {
          sum[r * P * V + i] = fma(input, weight[i], sum[r * P * V + i]);
        });
      });
    }
  }
  unrolled<R, P, V>([&](auto r, auto p, auto v) {
    const Vec<T> more = Vec<T>::load(added + r * added_row + p * added_stride + v * S);
    finish(sum[(r * P + p) * V + v] + more, p, r * L + v * S)
        .store(y + r * L + p * y_stride + v * S);
  });
}

template <class Matrix, class Weights, class T, int P, class Finish, int... R,
          class... Arguments>
void multiply_rows(int rows, std::integer_sequence<int, R...>,
                   Arguments&&... arguments) {
  using Kernel = decltype(&multiply_tile<Matrix, Weights, T, 1, P, Finish>);
  static constexpr std::array<Kernel, sizeof...(R)> kernels{
      &multiply_tile<Matrix, Weights, T, R + 1, P, Finish>...};
  kernels[static_cast<std::size_t>(rows - 1)](arguments...);
}

// y = finish(x w + b) for `rows`, P panels from `panel` on and input columns of
// `depth`, whose `weights` (a TileWeights, say) each tile of rows reads; instead of b,
// y's own where columns came before.
template <int P, class Matrix, class Weights, class T, class Finish>
void multiply_panels(const Matrix& x, Range rows, const Weights& weights, Range depth,
                     const T* bias, const Finish& finish, Panels<T> y, Index panel,
                     Ahead& ahead) {
  constexpr Index L = kLanes<T>;
  const Index tiles = divide_up(rows.size(), Tile<T>::rows);
  const bool first = depth.begin == 0;
  for (Index i = 0; i < tiles; ++i) {
    const Range part = even_part(rows.size(), tiles, i);
    const Index row = rows.begin + part.begin;
    T* const to = y.at(panel, row);
    // In time, and no more than will be asked for meanwhile.
    const Index asks = P * divide_up(part.size(), Index{kLinesWithPanel});
    if (first && ahead.others_read() && asks <= divide_up(depth.size(), L))
      expect(y, {panel, panel + P}, {row, row + part.size()}, ahead, Use::change);
    multiply_rows<Matrix, Weights, T, P, Finish>(
        static_cast<int>(part.size()), std::make_integer_sequence<int, Tile<T>::rows>{},
        x.at(depth.begin / L, row), x.stride, weights, depth.size(),
        first ? bias + panel * L : to, first ? Index(0) : L, first ? L : y.stride,
        finish.from(panel, row), to, y.stride, ahead);
  }
}

// A sum waits some four cycles for the one before it, and two are added up at a time:
// few sums are cut into chains that take turns with the rows.
constexpr int gradient_chains(int sums) {
  int chains = 1;
  while (chains * sums < 8) chains *= 2;
  return chains;
}

// g(i, p) (+)= sum over rows of one(row, i) many(row, p) for I columns of `one` and P
// panels of `many`, of each row of which N registers are taken: inputs and gradients of
// outputs, or the other way round.
template <class T, int I, int P, int N = kRegisters<T>>
[[gnu::noinline]] void gradient_tile(const T* one, const T* many, Index many_stride,
                                     Index rows, bool add, T* g, Index g_stride,
                                     Ahead& ahead) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  constexpr int sums = I * P * N;
  constexpr int chains = gradient_chains(sums);
  std::array<Vec<T>, static_cast<std::size_t>(chains * sums)> sum;
  unrolled<chains * sums>([&](auto j) { sum[j] = Vec<T>(0); });
  const auto add_row = [&](auto chain) __attribute__((always_inline)) {
    std::array<Vec<T>, P * N> vectors;
    unrolled<P, N>([&](auto p, auto n) {
      vectors[p * N + n] = Vec<T>::load(many + p * many_stride + n * S);
    });
    unrolled<I>([&](auto i) {
      const Vec<T> scalar(one[i]);
      unrolled<P * N>([&](auto j) {
        Vec<T>& to = sum[chain * sums + i * P * N + j];
        to = fma(scalar, vectors[j], to);
      });
    });
    one += L;
    many += L;
  };
  // By groups of rows: with each row, the look whether to ask cost 10 % (Intel).
  constexpr Index group = std::max(4, chains);
  for (; rows >= group; rows -= group) {
    ahead.ask<kLinesWithRows>();
    for (Index row = 0; row < group; row += chains) unrolled<chains>(add_row);
  }
  for (; rows >= chains; rows -= chains) unrolled<chains>(add_row);
  for (; rows > 0; --rows) add_row(std::integral_constant<int, 0>{});
  unrolled<chains - 1>([&](auto c) {
    unrolled<sums>([&](auto j) { sum[j] = sum[j] + sum[(c + 1) * sums + j]; });
  });
  const auto at = [&](auto i, auto p, auto n) __attribute__((always_inline)) {
    return g + p * g_stride + i * L + n * S;
  };
  if (add) {
    unrolled<I, P, N>([&](auto i, auto p, auto n) {
      Vec<T>& to = sum[(i * P + p) * N + n];
      to = to + Vec<T>::load(at(i, p, n));
    });
  }
  unrolled<I, P, N>(
      [&](auto i, auto p, auto n) { sum[(i * P + p) * N + n].store(at(i, p, n)); });
}

template <class T, int P, int... I>
void gradient_inputs(int inputs, std::integer_sequence<int, I...>, const T* x,
                     const T* d, Index d_stride, Index rows, bool add, T* g,
                     Index g_stride, Ahead& ahead) {
  using Kernel = decltype(&gradient_tile<T, 1, P>);
  static constexpr std::array<Kernel, sizeof...(I)> kernels{
      &gradient_tile<T, I + 1, P>...};
  kernels[static_cast<std::size_t>(inputs - 1)](x, d, d_stride, rows, add, g, g_stride,
                                                ahead);
}

}  // namespace detail

// What becomes of a sum before it leaves its register, at (row, lane) `offset` of the
// `panel`-th panel from where `from` says: nothing less than `least`; NaN stays.
template <class T>
struct Floor {
  T least = -std::numeric_limits<T>::infinity();
  Floor from(Index, Index) const { return *this; }
  Vec<T> operator()(Vec<T> sum, Index, Index) const { return max(sum, Vec<T>(least)); }
};

namespace detail {

// A part of all input columns: whole panels, as many as in the other parts.
template <class T>
struct Chunk {
  Index columns;  // of the whole input
  Index count = divide_up(columns, kDepthBlock<T>);
  Index index = 0;

  bool is_last() const { return index + 1 == count; }
  // Its own columns.
  Range depth() const {
    const Range panels = even_part(divide_up(columns, kLanes<T>), count, index);
    return {panels.begin * kLanes<T>, std::min(columns, panels.end * kLanes<T>)};
  }
};

// f(chunk, finish) for all chunks of input columns: sums are finished with the last,
// and until then left as they are.
template <class T, class Finish, class F>
void each_chunk(Index columns, const Finish& finish, F&& f) {
  Chunk<T> chunk{columns};
  for (; !chunk.is_last(); ++chunk.index) f(chunk, Floor<T>{});
  f(chunk, finish);
}

// The weights that are multiplied after a chunk of some panels: the next chunk or,
// where there is none, the first one of the panels after them, up to `end`.
template <class T>
void expect_weights(Panels<T> w, Range panels, Index end, Chunk<T> chunk,
                    Ahead& ahead) {
  if (chunk.is_last()) {
    panels = {panels.end, std::min(end, panels.end + panels.size())};
    chunk.index = 0;
  } else {
    ++chunk.index;
  }
  expect(w, panels, chunk.depth(), ahead);
}

// f(panel, count) for all panels, as many at a time as a tile has, then one by one.
template <class T, class F>
void each_tile(Range panels, F&& f) {
  constexpr int P = Tile<T>::panels;
  Index panel = panels.begin;
  for (; panel + P <= panels.end; panel += P)
    f(panel, std::integral_constant<int, P>{});
  for (; panel < panels.end; ++panel) f(panel, std::integral_constant<int, 1>{});
}

}  // namespace detail

// y = finish(x w + b) for `rows` of x (Panels or RowMajor) and some panels of w; `bias`
// is padded to whole panels. `done(panel, rows)` follows each panel of y while it is in
// cache: that is where activations go that `finish` does not do.
template <class Matrix, class T, class Finish, class Done>
void multiply(const Matrix& x, Range rows, Panels<T> w, Range panels, const T* bias,
              const Finish& finish, Panels<T> y, Ahead& ahead, Done&& done) {
  // Few rows are multiplied in less time than it takes to ask for more.
  const bool asks = w.bytes() > kNearBytes && rows.size() > 3 * Tile<T>::rows;
  detail::each_tile<T>(panels, [&](Index panel, auto count) {
    const Range tile{panel, panel + count};
    detail::each_chunk<T>(
        x.columns, finish, [&](const detail::Chunk<T>& chunk, const auto& how) {
          if (asks) detail::expect_weights(w, tile, panels.end, chunk, ahead);
          const Range depth = chunk.depth();
          const detail::TileWeights weights(w.from(panel, depth.begin));
          detail::multiply_panels<count>(x, rows, weights, depth, bias, how, y, panel,
                                         ahead);
        });
    for (Index p = tile.begin; p < tile.end; ++p) done(p, rows);
  });
}

// The gradient of the weights between one panel of inputs and `P` panels of outputs,
// into `g` ([panel][input][lane], panels `g_stride` apart); `add`s to what is there.
template <int P, class T>
void weight_gradient(Panels<T> x, Index input_panel, Panels<T> d, Index output_panel,
                     Range rows, bool add, T* g, Index g_stride, Ahead& ahead) {
  const Index inputs = x.width(input_panel);
  const Index tiles = divide_up(inputs, Tile<T>::inputs);
  for (Index i = 0; i < tiles; ++i) {
    const Range part = even_part(inputs, tiles, i);
    detail::gradient_inputs<T, P>(static_cast<int>(part.size()),
                                  std::make_integer_sequence<int, Tile<T>::inputs>{},
                                  x.at(input_panel, rows.begin) + part.begin,
                                  d.at(output_panel, rows.begin), d.stride, rows.size(),
                                  add, g + part.begin * kLanes<T>, g_stride, ahead);
  }
}

}  // namespace fastmlp
