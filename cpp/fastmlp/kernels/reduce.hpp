// Sums down the rows of a panel, in an order that depends on the number of rows alone.
#pragma once

#include "panels.hpp"

namespace fastmlp {

// out[lane] (+)= sum over n rows of f(row, register v of the row's lanes). Four
// interleaved chains, since one would wait four cycles for each addition.
template <class T, class F>
void sum_rows(Index n, bool adds, T* out, F&& f) {
  constexpr Index chains = 4;
  for (int v = 0; v < kRegisters<T>; ++v) {
    Vec<T> sum[chains] = {Vec<T>(0), Vec<T>(0), Vec<T>(0), Vec<T>(0)};
    Index row = 0;
    for (; row + chains <= n; row += chains)
      for (Index c = 0; c < chains; ++c) sum[c] = sum[c] + f(row + c, v);
    for (Index c = 0; row + c < n; ++c) sum[c] = sum[c] + f(row + c, v);
    const Vec<T> total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    T* const to = out + v * Vec<T>::size;
    (adds ? Vec<T>::load(to) + total : total).store(to);
  }
}

// out[lane] (+)= sum of the panel's rows.
template <class T>
void sum_panel(Panels<T> d, Index panel, Range rows, bool adds, T* out) {
  const T* from = d.at(panel, rows.begin);
  sum_rows<T>(rows.size(), adds, out, [from](Index row, int v) {
    return Vec<T>::load(from + row * kLanes<T> + v * Vec<T>::size);
  });
}

}  // namespace fastmlp
