// The normal distribution's tail times its argument: what GELU is made of.
//
// For z >= 0, Phi(-z) = exp(-z^2 / 2) (1 + q) / (2 (1 + z)) with q between -.21 and
// .05, fitted by a polynomial in (4 - z) / (4 + z): the form of Shepherd and
// Laframboise, 'Chebyshev approximation of (1 + 2x) exp(x^2) erfc x', 1981. One formula
// for all z costs less than Cephes' three with a choice, and keeps the relative
// accuracy of the tail down to the smallest normal number.
#pragma once

#include "elementwise.hpp"

namespace fastmlp {

// `last`: z where exp(-z^2 / 2) has reached 0. `mask`: the upper half of the digits.
// `exp`: as Exponential's q; in float from -.4 on, and a degree longer for GELU's bound
// where there is no FMA.
template <class T>
struct NormalTail;

template <>
struct NormalTail<float> {
  static constexpr float last = 13.25f;
  static constexpr std::uint32_t mask = 0xFFFFF000u;
  static constexpr std::array exp = {1.9415577116888016e-4f, 1.3937937328591943e-3f,
                                     8.33405926823616e-3f,   4.1666436940431595e-2f,
                                     1.66666641831398e-1f,   0.5f};
  static constexpr std::array q = {
      -1.3950385618954897e-4f, 1.110599041567184e-4f,   1.3924794038757682e-3f,
      6.107245571911335e-4f,   -1.0013310238718987e-2f, -3.58802005648613e-2f,
      -6.439366191625595e-2f,  -5.7200074195861816e-2f, 2.799913100898266e-2f,
      1.9340693950653076e-1f,  -5.5893585085868835e-2f};
};

template <>
struct NormalTail<double> {
  static constexpr double last = 37.65;
  static constexpr std::uint64_t mask = 0xFFFFFFFFF8000000u;
  static constexpr auto exp = Exponential<double>::q;
  static constexpr std::array q = {
      -7.868877378396651e-9,  2.3646853326863694e-8,  3.490871922389615e-8,
      -2.0289891254229974e-7, -1.3621882521730642e-9, 1.08618015037868e-6,
      -8.077562916541764e-7,  -5.215421238600413e-6,  6.862955244832619e-6,
      2.7249813221240483e-5,  -4.249944476707448e-5,  -1.7570540615997155e-4,
      1.8886034715762231e-4,  1.3897940608382352e-3,  5.712462180348818e-4,
      -1.000475716858657e-2,  -3.587219496094058e-2,  -6.439567485680939e-2,
      -5.720072810705096e-2,  2.7999269448862694e-2,  1.9340695465305116e-1,
      -5.5893586980310675e-2};
};

// For z = |x|: z Phi(-z), and Phi(-z) - z phi(z).
template <class T>
struct Tail {
  Vec<T> value;
  Vec<T> slope;
};

template <class T>
Tail<T> normal_tail(Vec<T> x) {
  using N = NormalTail<T>;
  const Vec<T> half(T(0.5));
  const Vec<T> one(1);
  const Vec<T> z = min(abs(x), Vec<T>(N::last));
  const auto upper = [](Vec<T> y) { return Vec<T>::of_words(y.words() & N::mask); };

  // exp(-z^2 / 2) = scale (1 + e). Rounding z^2 would cost all the digits of its whole
  // part; the square of the upper half of z is exact.
  const Vec<T> high = upper(z);
  const Vec<T> low = z - high;
  const Reduced<T> reduced = reduce(-half * (high * high));
  const Vec<T> rest = half * (low * (z + high));
  const Vec<T> r =
      reduced.rest - fma(reduced.n, Vec<T>(Exponential<T>::log2_low), rest);
  const Vec<T> e = expm1_reduced(r, N::exp);
  const Vec<T> scale = power(reduced.shifted);

  const Vec<T> q = polynomial(fma(Vec<T>(-2), z / (z + Vec<T>(4)), one), N::q);

  // z / (1 + z) = f + correction / (1 + z): products of halves are exact again. Then
  // all but f is small, and the last sum rounds alone.
  const Vec<T> quotient = z / (one + z);
  const Vec<T> f = upper(quotient);
  const Vec<T> correction = ((z - f) - f * high) - f * low;
  const Vec<T> inverse = one - quotient;  // 1 / (1 + z), well enough for these:
  const Vec<T> small = fma(quotient, fma(q, e, q), correction * inverse);
  const Vec<T> value = half * scale * (f + fma(quotient, e, small));
  const Vec<T> g = half * fma(inverse, q, inverse);
  const Vec<T> density = Vec<T>(static_cast<T>(0.39894228040143267794));
  return {value, fma(scale, e, scale) * fma(-z, density, g)};
}

}  // namespace fastmlp
