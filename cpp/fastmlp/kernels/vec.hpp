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
  void store(T* to) const { Eigen::internal::pstore(to, p); }

  friend Vec operator+(Vec a, Vec b) { return of(Eigen::internal::padd(a.p, b.p)); }
  friend Vec operator-(Vec a, Vec b) { return of(Eigen::internal::psub(a.p, b.p)); }
  friend Vec operator*(Vec a, Vec b) { return of(Eigen::internal::pmul(a.p, b.p)); }
  friend Vec operator/(Vec a, Vec b) { return of(Eigen::internal::pdiv(a.p, b.p)); }
  Vec operator-() const { return of(Eigen::internal::pnegate(p)); }

  friend Mask operator<(Vec a, Vec b) { return a.p < b.p; }
  friend Mask operator>(Vec a, Vec b) { return a.p > b.p; }
  friend Mask operator==(Vec a, Vec b) { return a.p == b.p; }
  friend Vec select(Mask mask, Vec yes, Vec no) { return of(mask ? yes.p : no.p); }

  friend Vec fma(Vec a, Vec b, Vec c) {
    return of(Eigen::internal::pmadd(a.p, b.p, c.p));
  }
  friend Vec abs(Vec a) { return of(Eigen::internal::pabs(a.p)); }
  friend Vec sqrt(Vec a) { return of(Eigen::internal::psqrt(a.p)); }
  // A NaN in `a` stays: Eigen compiles these to the instructions that return it.
  friend Vec min(Vec a, Vec b) { return of(Eigen::internal::pmin(a.p, b.p)); }
  friend Vec max(Vec a, Vec b) { return of(Eigen::internal::pmax(a.p, b.p)); }

  // The bits of each element, and back.
  Words words() const { return std::bit_cast<Words>(p); }
  static Vec of_words(Words w) { return of(std::bit_cast<Packet>(w)); }
};

// Registers in one row of a panel.
template <class T>
inline constexpr int kRegisters = static_cast<int>(kLanes<T>) / Vec<T>::size;

}  // namespace fastmlp
