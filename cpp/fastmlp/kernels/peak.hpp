// The machine's FMA rate, measured: what every product is compared with.
#pragma once

#include <chrono>

#include "vec.hpp"

namespace fastmlp {
namespace detail {

inline constexpr int kChains = 12;  // independent, to hide the latency of one FMA

// Never inlined, so that the work stays between the two looks at the clock.
template <class T>
[[gnu::noinline]] void fma_chains(T* sums, int rounds) {
  Vec<T> sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = Vec<T>::load(sums + i * Vec<T>::size);
  const Vec<T> factor(T(0.999));
  const Vec<T> term(T(0.001));
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < kChains; ++i) sum[i] = fma(sum[i], factor, term);
  for (int i = 0; i < kChains; ++i) sum[i].store(sums + i * Vec<T>::size);
}

}  // namespace detail

// Operations per second (a multiply-add counts as two) of one thread; the best of as
// many runs as fit into `seconds`.
template <class T>
double fma_rate(double seconds) {
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  constexpr int rounds = 20000;
  constexpr double operations = 2.0 * rounds * detail::kChains * Vec<T>::size;
  alignas(kAlignment) T sums[detail::kChains * Vec<T>::size] = {};
  double best = 0;
  const auto start = Clock::now();
  for (auto begin = start; Seconds(begin - start).count() < seconds;) {
    detail::fma_chains(sums, rounds);
    const auto end = Clock::now();
    best = std::max(best, operations / Seconds(end - begin).count());
    begin = end;
  }
  return best;
}

}  // namespace fastmlp
