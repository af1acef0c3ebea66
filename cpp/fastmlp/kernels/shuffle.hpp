// Lanes moved between registers: transposition, and sums across lanes. Both go by
// neighbours: every second part of a pair of registers, then every second of what comes
// of it, so that each step is one instruction.
#pragma once

#include <array>

#include "vec.hpp"

namespace fastmlp {

// As many registers as they have lanes.
template <class T>
using Registers = std::array<Vec<T>, static_cast<std::size_t>(Vec<T>::size)>;

#if __has_builtin(__builtin_shufflevector)
namespace detail {

// Every second part of `width` lanes, from the first (odd = 0) or second (odd = 1) on,
// within each stretch of `span` lanes: of a, then of b.
template <int width, int span, int odd, class T>
[[gnu::always_inline]] inline Vec<T> every_second(Vec<T> a, Vec<T> b) {
  constexpr auto source = [](int lane) {
    const int start = lane / span * span;
    const int part = (lane - start) / width;  // of the result, in this stretch
    const int half = span / width / 2;
    const int from = 2 * (part % half) + odd;
    return (part < half ? 0 : Vec<T>::size) + start + from * width + lane % width;
  };
  return [&]<int... I>(std::integer_sequence<int, I...>)
             __attribute__((always_inline)) {
               return Vec<T>::of(__builtin_shufflevector(a.p, b.p, source(I)...));
             }(std::make_integer_sequence<int, Vec<T>::size>{});
}

// Step `level` (0, 1, ...) goes within 16 bytes first, then by blocks of 16 bytes: no
// instruction before AVX-512 takes single lanes across them.
template <class T, int level, int odd>
[[gnu::always_inline]] inline Vec<T> every_second_at(Vec<T> a, Vec<T> b) {
  constexpr int block = 16 / static_cast<int>(sizeof(T));
  constexpr bool within = (1 << level) < block;
  return every_second<within ? 1 : block, within ? block : Vec<T>::size, odd>(a, b);
}

template <int level, class T>
[[gnu::always_inline]] inline void add_neighbours(Registers<T>& v) {
  constexpr int pairs = Vec<T>::size >> (level + 1);
  if constexpr (pairs > 0) {
    unrolled<pairs>([&](auto i) {
      v[i] = every_second_at<T, level, 0>(v[2 * i], v[2 * i + 1]) +
             every_second_at<T, level, 1>(v[2 * i], v[2 * i + 1]);
    });
    add_neighbours<level + 1>(v);
  }
}

template <int level, class T>
[[gnu::always_inline]] inline void part_neighbours(Registers<T>& v) {
  constexpr int pairs = Vec<T>::size / 2;
  if constexpr ((1 << level) < Vec<T>::size) {
    Registers<T> next;
    unrolled<pairs>([&](auto i) {
      next[i] = every_second_at<T, level, 0>(v[2 * i], v[2 * i + 1]);
      next[i + pairs] = every_second_at<T, level, 1>(v[2 * i], v[2 * i + 1]);
    });
    v = next;
    part_neighbours<level + 1>(v);
  }
}

}  // namespace detail

// Lane j of register i changes places with lane i of register j: each step moves one
// bit of the lane's number to the register's.
template <class T>
[[gnu::always_inline]] inline void transpose(Registers<T>& v) {
  detail::part_neighbours<0>(v);
}

// Lane i of the result is the sum of the lanes of v[i], which is used up.
template <class T>
[[gnu::always_inline]] inline Vec<T> sum_lanes(Registers<T>& v) {
  detail::add_neighbours<0>(v);
  return v[0];
}

#else

template <class T>
void transpose(Registers<T>& v) {
  Eigen::internal::PacketBlock<typename Vec<T>::Packet, Vec<T>::size> block;
  unrolled<Vec<T>::size>([&](auto i) { block.packet[i] = v[i].p; });
  if constexpr (Vec<T>::size > 1) Eigen::internal::ptranspose(block);
  unrolled<Vec<T>::size>([&](auto i) { v[i] = Vec<T>::of(block.packet[i]); });
}

template <class T>
Vec<T> sum_lanes(const Registers<T>& v) {
  alignas(kAlignment) T sums[Vec<T>::size];
  unrolled<Vec<T>::size>([&](auto i) { sums[i] = sum(v[i]); });
  return Vec<T>::load(sums);
}

#endif

}  // namespace fastmlp
