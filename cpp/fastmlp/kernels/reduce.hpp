// Sums down the rows of a panel, in an order that depends on the number of rows alone,
// and sums across the lanes of registers.
#pragma once

#include <array>

#include "panels.hpp"

namespace fastmlp {

template <class T>
using Registers = std::array<Vec<T>, static_cast<std::size_t>(Vec<T>::size)>;

namespace detail {

#if __has_builtin(__builtin_shufflevector)
// Every second part of `width` lanes, from the first (odd = 0) or second (odd = 1) on,
// within each stretch of `span` lanes: of a, then of b. One instruction where the parts
// stay in 16 bytes or are 16 bytes themselves.
template <int width, int span, int odd, class T>
[[gnu::always_inline]] inline Vec<T> every_second(Vec<T> a, Vec<T> b) {
  constexpr auto source = [](int lane) {
    const int start = lane / span * span;
    const int part = (lane - start) / width;  // of the result, in this stretch
    const int parts = span / width;
    const int from = 2 * (part % (parts / 2)) + odd;
    return (part < parts / 2 ? 0 : Vec<T>::size) + start + from * width + lane % width;
  };
  return [&]<int... I>(std::integer_sequence<int, I...>)
             __attribute__((always_inline)) {
               return Vec<T>::of(__builtin_shufflevector(a.p, b.p, source(I)...));
             }(std::make_integer_sequence<int, Vec<T>::size>{});
}

// Neighbouring lanes of `n` registers are added, in half as many registers, until one
// is left: first within 16 bytes, then such blocks.
template <int n, class T>
[[gnu::always_inline]] inline void add_neighbours(Registers<T>& v) {
  if constexpr (n > 1) {
    constexpr int size = Vec<T>::size;
    constexpr int block = 16 / static_cast<int>(sizeof(T));
    constexpr bool within = n > size / block;
    constexpr int width = within ? 1 : block;
    constexpr int span = within ? block : size;
    unrolled<n / 2>([&](auto i) {
      v[i] = every_second<width, span, 0>(v[2 * i], v[2 * i + 1]) +
             every_second<width, span, 1>(v[2 * i], v[2 * i + 1]);
    });
    add_neighbours<n / 2>(v);
  }
}
#else
template <int n, class T>
void add_neighbours(Registers<T>& v) {
  alignas(kAlignment) T sums[n];
  for (std::size_t i = 0; i < n; ++i) sums[i] = Eigen::internal::predux(v[i].p);
  v[0] = Vec<T>::load(sums);
}
#endif

}  // namespace detail

// Lane i of the result is the sum of the lanes of v[i], which is used up.
template <class T>
[[gnu::always_inline]] inline Vec<T> sum_lanes(Registers<T>& v) {
  detail::add_neighbours<Vec<T>::size>(v);
  return v[0];
}

// out[lane] = sum over n rows of f(row, register v of the row's lanes). Four
// interleaved chains, since one would wait four cycles for each addition.
template <class T, class F>
void sum_rows(Index n, T* out, F&& f) {
  constexpr Index chains = 4;
  for (int v = 0; v < kRegisters<T>; ++v) {
    Vec<T> sum[chains] = {Vec<T>(0), Vec<T>(0), Vec<T>(0), Vec<T>(0)};
    Index row = 0;
    for (; row + chains <= n; row += chains)
      for (Index c = 0; c < chains; ++c) sum[c] = sum[c] + f(row + c, v);
    for (Index c = 0; row + c < n; ++c) sum[c] = sum[c] + f(row + c, v);
    ((sum[0] + sum[1]) + (sum[2] + sum[3])).store(out + v * Vec<T>::size);
  }
}

// out[lane] = sum of the panel's rows.
template <class T>
void sum_panel(Panels<T> d, Index panel, Range rows, T* out) {
  const T* from = d.at(panel, rows.begin);
  sum_rows<T>(rows.size(), out, [from](Index row, int v) {
    return Vec<T>::load(from + row * kLanes<T> + v * Vec<T>::size);
  });
}

}  // namespace fastmlp
