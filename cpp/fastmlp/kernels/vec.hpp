// One SIMD register as a number: Eigen's packets with operators, the same source for
// SSE, AVX, AVX-512 and NEON. `a * b + c` is never contracted; where FMA is meant,
// `fma` says so.
#pragma once

#include <bit>
#include <type_traits>
#include <utility>

#include "../types.hpp"

namespace fastmlp {

// GCC says of every template over a register type that its alignment attribute is not
// part of the type's name; it is no fault.
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wignored-attributes"
#endif

template <class T>
struct Vec {
  using Packet = typename Eigen::internal::packet_traits<T>::type;
  static constexpr int size = Eigen::internal::unpacket_traits<Packet>::size;
  // What a comparison gives. The compiler's own vectors, so that AVX-512 keeps it in a
  // mask register (Eigen's comparisons fill a vector, and its selections test that).
  using Mask = decltype(std::declval<Packet>() < std::declval<Packet>());
  using Word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  typedef Word Words __attribute__((vector_size(sizeof(Packet))));

  Packet p;

  Vec() = default;
  Vec(T value) : p(Eigen::internal::pset1<Packet>(value)) {}
  static Vec of(Packet packet) {
    Vec v;
    v.p = packet;
    return v;
  }
  static Vec load(const T* from) { return of(Eigen::internal::pload<Packet>(from)); }
  // From any address.
  static Vec load_from(const T* from) {
    return of(Eigen::internal::ploadu<Packet>(from));
  }
  // Elements `stride` apart.
  static Vec gather(const T* from, Index stride) {
    return of(Eigen::internal::pgather<T, Packet>(from, stride));
  }
  void store(T* to) const { Eigen::internal::pstore(to, p); }

  friend Vec operator+(Vec a, Vec b) { return of(Eigen::internal::padd(a.p, b.p)); }
  friend Vec operator-(Vec a, Vec b) { return of(Eigen::internal::psub(a.p, b.p)); }
  friend Vec operator*(Vec a, Vec b) { return of(Eigen::internal::pmul(a.p, b.p)); }
  friend Vec operator/(Vec a, Vec b) { return of(Eigen::internal::pdiv(a.p, b.p)); }
  Vec operator-() const { return of(-p); }

  friend Mask operator<(Vec a, Vec b) { return a.p < b.p; }
  friend Mask operator>(Vec a, Vec b) { return a.p > b.p; }
  friend Mask operator==(Vec a, Vec b) { return a.p == b.p; }
  friend Vec select(Mask mask, Vec yes, Vec no) { return of(mask ? yes.p : no.p); }

  // x, or 0 where the mask says so.
  friend Vec unless(Mask mask, Vec x) { return select(mask, Vec(0), x); }
  // Bit by bit.
  friend Vec operator&(Vec a, Vec b) { return of(Eigen::internal::pand(a.p, b.p)); }

  friend Vec fma(Vec a, Vec b, Vec c) {
    return of(Eigen::internal::pmadd(a.p, b.p, c.p));
  }
  friend Vec abs(Vec a) { return of(Eigen::internal::pabs(a.p)); }
  friend Vec sqrt(Vec a) { return of(Eigen::internal::psqrt(a.p)); }
  // A NaN in `a` stays: Eigen compiles these to the instructions that return it.
  friend Vec min(Vec a, Vec b) { return of(Eigen::internal::pmin(a.p, b.p)); }
  friend Vec max(Vec a, Vec b) { return of(Eigen::internal::pmax(a.p, b.p)); }
  friend T first(Vec a) { return Eigen::internal::pfirst(a.p); }
  friend T sum(Vec a) { return Eigen::internal::predux(a.p); }

  // The bits of each element, and back.
  Words words() const { return std::bit_cast<Words>(p); }
  static Vec of_words(Words w) { return of(std::bit_cast<Packet>(w)); }
};

// Registers in one row of a panel.
template <class T>
inline constexpr int kRegisters = static_cast<int>(kLanes<T>) / Vec<T>::size;

// Registers that sums may fill, so that operands still find room: AVX-512 has 32 in
// all, the others (as compiled here) 16.
template <class T>
inline constexpr int kSums = kRegisters<T> == 1 ? 24 : 12;

// f(0), f(1), ..., f(N - 1), written out: arrays of registers that are indexed by
// constants alone stay in registers. GCC takes a loop's array to memory and back at
// every turn of the loop around it.
template <int N, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}
template <int M, int N, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  unrolled<M>([&](auto i) { unrolled<N>([&](auto j) { f(i, j); }); });
}
template <int L, int M, int N, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  unrolled<L>([&](auto i) { unrolled<M, N>([&](auto j, auto k) { f(i, j, k); }); });
}

}  // namespace fastmlp
