// Transcendental functions on whole registers: every element takes the same path, so
// its bits do not depend on where it lies (Eigen's own scalar remainders differ from
// packets).
//
// Bounds, checked by tests/test_elementwise.py, with and without FMA: 2 units in the
// last place in float, 4 in double. A result below the smallest normal number may be 0
// instead (arithmetic on subnormals costs a hundred cycles and more). A NaN stays a
// NaN.
//
// Polynomials without a source are minimax fits in relative error: Remez's algorithm
// with 60 digits, then the coefficients rounded one by one from the lowest order, the
// others fitted again by least squares.
#pragma once

#include <array>
#include <limits>

#include "vec.hpp"

namespace fastmlp {

// c[0] x^n + c[1] x^(n-1) + ... + c[n] by Horner's rule; a long one by two, in x^2, for
// every step waits for the one before.
template <class T, std::size_t N>
Vec<T> polynomial(Vec<T> x, const std::array<T, N>& c) {
  if constexpr (N < 8) {
    Vec<T> y(c[0]);
    for (std::size_t i = 1; i < N; ++i) y = fma(y, x, Vec<T>(c[i]));
    return y;
  } else {
    const Vec<T> x2 = x * x;
    Vec<T> y(c[0]);
    Vec<T> z(c[1]);
    for (std::size_t i = 2; i < N; i += 2) y = fma(y, x2, Vec<T>(c[i]));
    for (std::size_t i = 3; i < N; i += 2) z = fma(z, x2, Vec<T>(c[i]));
    return N % 2 ? fma(z, x, y) : fma(y, x, z);
  }
}

// log(2) in two parts (Cephes' and fdlibm's), the first short enough for exact products
// with exponents; q with exp(r) = 1 + r + r^2 q(r) for |r| <= log(2) / 2. Adding
// `shift` rounds to a whole number.
template <class T>
struct Exponential;

template <>
struct Exponential<float> {
  static constexpr int digits = 23;
  static constexpr float bias = 127.0f;
  static constexpr float shift = 0x1.8p23f;
  static constexpr float log2_high = 0.693359375f;
  static constexpr float log2_low = -2.12194440e-4f;
  static constexpr float lowest = -87.33654f;  // exp's of a normal result
  static constexpr float highest = 88.72284f;  // exp's of infinity
  static constexpr std::array q = {1.3936870964244008e-3f, 8.366542868316174e-3f,
                                   4.166644439101219e-2f, 1.666654348373413e-1f, 0.5f};
};

template <>
struct Exponential<double> {
  static constexpr int digits = 52;
  static constexpr double bias = 1023.0;
  static constexpr double shift = 0x1.8p52;
  static constexpr double log2_high = 6.93147180369123816490e-1;
  static constexpr double log2_low = 1.90821492927058770002e-10;
  static constexpr double lowest = -708.3964185322641;
  static constexpr double highest = 709.7827128933841;
  static constexpr std::array q = {2.5114213653847765e-8, 2.762635340409654e-7,
                                   2.755722880848319e-6,  2.4801504386243918e-5,
                                   1.984126990202408e-4,  1.3888888932419962e-3,
                                   8.333333333315086e-3,  4.166666666657354e-2,
                                   1.6666666666666685e-1, 5.000000000000006e-1};
};

// x = n log(2) + r for the whole number n nearest to x / log(2), r = rest - n log2_low;
// the last bits of `shifted` are n + bias.
template <class T>
struct Reduced {
  Vec<T> shifted;
  Vec<T> n;
  Vec<T> rest;

  Vec<T> r() const { return fma(n, Vec<T>(-Exponential<T>::log2_low), rest); }
};

template <class T>
Reduced<T> reduce(Vec<T> x, T bias = Exponential<T>::bias) {
  const Vec<T> shift(Exponential<T>::shift + bias);
  const Vec<T> shifted = fma(x, Vec<T>(static_cast<T>(1.4426950408889634074)), shift);
  const Vec<T> n = shifted - shift;
  return {shifted, n, fma(n, Vec<T>(-Exponential<T>::log2_high), x)};
}

// exp(r) - 1 for a reduced r.
template <class T, class Coefficients = decltype(Exponential<T>::q)>
Vec<T> expm1_reduced(Vec<T> r, const Coefficients& q = Exponential<T>::q) {
  return fma(r * r, polynomial(r, q), r);
}

// 2^n of a biased reduction: 0 for n = -bias, infinity for n = bias + 1.
template <class T>
Vec<T> power(Vec<T> shifted) {
  return Vec<T>::of_words(shifted.words() << Exponential<T>::digits);
}

// exp(x): n is added to the exponent as a whole number, so that the greatest n, whose
// power is infinite, counts too.
template <class T>
Vec<T> exp(Vec<T> x) {
  using E = Exponential<T>;
  const Reduced<T> reduced = reduce(x, T(0));
  const Vec<T> r = reduced.r();
  const Vec<T> fraction = fma(fma(polynomial(r, E::q), r, Vec<T>(1)), r, Vec<T>(1));
  const auto words = fraction.words() + (reduced.shifted.words() << E::digits);
  const Vec<T> infinite = x * Vec<T>(std::numeric_limits<T>::infinity());  // or NaN
  const Vec<T> y = select(x < Vec<T>(E::highest), Vec<T>::of_words(words), infinite);
  return select(x < Vec<T>(E::lowest), Vec<T>(0), y);
}

// exp(x) - 1 without cancellation near 0; for x <= 0.
template <class T>
Vec<T> expm1_negative(Vec<T> x) {
  const Reduced<T> reduced = reduce(max(x, Vec<T>(-40)));
  const Vec<T> scale = power(reduced.shifted);
  return fma(scale, expm1_reduced(reduced.r()), scale - Vec<T>(1));
}

// exp(-x), the largest number at most; 1 + exp(-x), infinity where that is more.
template <class T>
struct ExpMinus {
  Vec<T> e;
  Vec<T> one_plus;
};

template <class T>
ExpMinus<T> exp_minus(Vec<T> x) {
  constexpr T top = std::is_same_v<T, float> ? T(89) : T(710);  // infinity there
  const Vec<T> most(std::numeric_limits<T>::max());
  const Reduced<T> reduced = reduce(max(min(-x, Vec<T>(top)), Vec<T>(1 - top)));
  const Vec<T> scale = min(power(reduced.shifted), most);
  const Vec<T> rest = expm1_reduced(reduced.r());
  // What the first sum loses, where 1 is its last digit, is added to a smaller term.
  const Vec<T> one(1);
  const Vec<T> sum = scale + one;
  const Vec<T> lost = one - (sum - scale);
  return {min(fma(scale, rest, scale), most), sum + fma(scale, rest, lost)};
}

// 1 / (1 + exp(-x)).
template <class T>
Vec<T> logistic(Vec<T> x) {
  return Vec<T>(1) / exp_minus(x).one_plus;
}

// log(1 + x) for -0.3 <= x <= 1: x - s (x - R) as in fdlibm's log1p (Sun, 1993), with
// s = x / (2 + x) and R = 2 atanh(s) / s - 2, a polynomial in s^2 times s^2.
template <class T>
Vec<T> log1p_near(Vec<T> x) {
  const Vec<T> s = x / (Vec<T>(2) + x);
  const Vec<T> z = s * s;
  Vec<T> p;
  if constexpr (std::is_same_v<T, float>) {
    p = polynomial(z, std::array{2.8026703000068665e-1f, 2.7998629212379456e-1f,
                                 4.0021735429763794e-1f, 6.666641235351562e-1f});
  } else {
    p = polynomial(
        z,
        std::array{1.7749078135703614e-1, 9.89819706051428e-2, 1.3587268219092685e-1,
                   1.536418971065852e-1, 1.8182820880802156e-1, 2.222219264936319e-1,
                   2.857142906329386e-1, 3.999999999599656e-1, 6.666666666667788e-1});
  }
  return fma(-s, fma(-z, p, x), x);
}

// log(x) for a positive finite x, a subnormal counting as the smallest normal number:
// x = 2^n m with sqrt(1/2) <= m < sqrt(2).
template <class T>
Vec<T> log(Vec<T> x) {
  using E = Exponential<T>;
  using Word = typename Vec<T>::Word;
  constexpr T root = static_cast<T>(0.70710678118654752440);
  constexpr Word one = std::bit_cast<Word>(T(1));
  const auto words = max(x, Vec<T>(std::numeric_limits<T>::min())).words();
  const auto biased = (words + (one - std::bit_cast<Word>(root))) >> E::digits;
  const Vec<T> m = Vec<T>::of_words(words + one - (biased << E::digits));
  constexpr T whole = Word{1} << E::digits;  // the last bits of its sums are whole
  const auto shifted = biased | std::bit_cast<Word>(whole);
  const Vec<T> n = Vec<T>::of_words(shifted) - Vec<T>(whole + E::bias);
  const Vec<T> rest = fma(n, Vec<T>(E::log2_low), log1p_near(m - Vec<T>(1)));
  return fma(n, Vec<T>(E::log2_high), rest) + (x - x);  // NaN stays
}

// e / (e + 2) for e = exp(2|x|) - 1, with x's sign. Both roundings weigh most for small
// e; in float a polynomial takes over there.
template <class T>
Vec<T> tanh(Vec<T> x) {
  const Vec<T> y = min(abs(x + x), Vec<T>(40));
  const Reduced<T> reduced = reduce(y);
  const Vec<T> scale = power(reduced.shifted);
  const Vec<T> e = fma(scale, expm1_reduced(reduced.r()), scale - Vec<T>(1));
  const auto sign = Vec<T>(T(-0.0)).words();
  const Vec<T> magnitude = e / (e + Vec<T>(2));
  const Vec<T> far = Vec<T>::of_words((magnitude.words() & ~sign) | (x.words() & sign));
  if constexpr (std::is_same_v<T, double>) {
    return far;
  } else {
    const Vec<T> z = x * x;
    const Vec<T> p =
        polynomial(z, std::array{1.725955680012703e-2f, -5.3054314106702805e-2f,
                                 1.332601010799408e-1f, -3.3333149552345276e-1f});
    return select(y < Vec<T>(1), fma(x * z, p, x), far);
  }
}

}  // namespace fastmlp
