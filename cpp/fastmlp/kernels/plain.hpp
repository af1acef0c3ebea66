// The product of a few rows with weights as they lie row-major in an array: to pack all
// of them first would take longer. The same sums in the same order as with packed ones.
#pragma once

#include "gemm.hpp"

namespace fastmlp {
namespace detail {

// So few rows' sums stay in the first cache while the weights stream past them.
inline constexpr int kStreamedRows = 4;

// sums(r, p) += sum over k < K of x(r, k) w(k, p) for `panels` whole panels.
template <class T, int R, int K>
[[gnu::noinline]] void add_weight_rows(const T* x, const T* w, Index w_stride,
                                       Index panels, T* sums) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  std::array<Vec<T>, static_cast<std::size_t>(R * K)> input;
  unrolled<R * K>([&](auto i) { input[i] = Vec<T>(x[i]); });
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

// y = finish(x w + b) for R rows and w's whole panels: some rows of w at a time.
template <int R, class Matrix, class T, class Finish>
void multiply_streamed(const Matrix& x, Index row, RowMajor<T> w, const T* bias,
                       const Finish& finish, Panels<T> y) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  constexpr int K = std::min(8, kSums<T> * 2 / 3 / R);
  const Index panels = w.columns / L;
  Buffer<T> sums(panels * R * L);
  T inputs[R * K];
  const auto add = [&](Index k, auto count) {
    for (Index r = 0; r < R; ++r)
      for (Index i = 0; i < count; ++i)
        inputs[r * count + i] = x.at((k + i) / L, row + r)[(k + i) % L];
    add_weight_rows<T, R, count>(inputs, w.data + k * w.stride, w.stride, panels,
                                 sums.data());
  };
  each_chunk<T>(x.columns, finish, [&](const Chunk<T>& chunk, const auto& how) {
    const Range depth = chunk.depth();
    std::fill_n(sums.data(), sums.size(), T(0));
    Index k = depth.begin;
    for (; k + K <= depth.end; k += K) add(k, std::integral_constant<int, K>{});
    for (; k < depth.end; ++k) add(k, std::integral_constant<int, 1>{});
    for (Index p = 0; p < panels; ++p) {
      const auto ready = how.from(p, row);
      for (Index i = 0; i < R * L; i += S) {
        T* const to = y.at(p, row) + i;
        const T* const added = depth.begin == 0 ? bias + p * L + i % L : to;
        const Vec<T> sum = Vec<T>::load(sums.data() + p * R * L + i);
        ready(sum + Vec<T>::load(added), 0, i).store(to);
      }
    }
  });
}

// For the panels from `first` on: some of them at a time, a chunk of input columns at a
// time packed into the second cache.
template <class Matrix, class T, class Finish>
void multiply_by_chunks(const Matrix& x, Range rows, RowMajor<T> w, Index first,
                        const T* bias, const Finish& finish, Panels<T> y,
                        Ahead& ahead) {
  constexpr Index L = kLanes<T>;
  constexpr Index at_once = 8;
  const Index count = divide_up(w.columns, L);
  if (first == count) return;
  const PanelBuffer<T> packed(std::min(x.columns, kDepthBlock<T>),
                              std::min(w.columns - first * L, at_once * L));
  for (; first < count; first += at_once) {
    const Range group{first, std::min(count, first + at_once)};
    each_chunk<T>(x.columns, finish, [&](const Chunk<T>& chunk, const auto& how) {
      const Range depth = chunk.depth();
      Panels<T> part = packed.panels;
      part.columns = std::min(w.columns, group.end * L) - first * L;
      pack(w.data + depth.begin * w.stride + first * L, w.stride, {0, depth.size()},
           part);
      each_tile<T>(group, [&](Index panel, auto tile) {
        multiply_panels<tile>(x, rows, part.from(panel - first, 0), depth, bias, how, y,
                              panel, ahead);
      });
    });
  }
}

}  // namespace detail

template <class Matrix, class T, class Finish, class Done>
void multiply(const Matrix& x, Range rows, RowMajor<T> w, const T* bias,
              const Finish& finish, Panels<T> y, Ahead& ahead, Done&& done) {
  Index panel = 0;
  unrolled<detail::kStreamedRows>([&](auto r) {
    if (rows.size() != r + 1) return;
    detail::multiply_streamed<r + 1>(x, rows.begin, w, bias, finish, y);
    panel = w.columns / kLanes<T>;
  });
  detail::multiply_by_chunks(x, rows, w, panel, bias, finish, y, ahead);
  for (Index p = 0; p * kLanes<T> < w.columns; ++p) done(p);
}

}  // namespace fastmlp
