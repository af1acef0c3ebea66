// Transcendental functions on whole registers: every element takes the same path, so
// its bits do not depend on where it lies (Eigen's own scalar remainders differ from
// packets).
#pragma once

#include <array>

#include "vec.hpp"

namespace fastmlp {

// exp, with 0 below the smallest normal number (Eigen clamps there instead).
template <class T>
Vec<T> exp(Vec<T> x) {
  constexpr T lowest = std::is_same_v<T, float> ? T(-87.33654) : T(-708.3964185322641);
  const Vec<T> e = Vec<T>::of(Eigen::internal::pexp(x.p));
  return select(x < Vec<T>(lowest), Vec<T>(0), e);
}

template <class T>
Vec<T> log(Vec<T> x) {
  return Vec<T>::of(Eigen::internal::plog(x.p));
}

template <class T>
Vec<T> log1p(Vec<T> x) {
  return Vec<T>::of(Eigen::internal::generic_plog1p(x.p));
}

// c[0] x^n + c[1] x^(n-1) + ... + c[n], by Horner's rule.
template <class T, std::size_t N>
Vec<T> polynomial(Vec<T> x, const std::array<double, N>& c) {
  Vec<T> y = Vec<T>(static_cast<T>(c[0]));
  for (std::size_t i = 1; i < N; ++i) y = fma(y, x, Vec<T>(static_cast<T>(c[i])));
  return y;
}

// 1 / (1 + exp(-x)), from exp(-|x|), which cannot overflow.
template <class T>
Vec<T> logistic(Vec<T> x) {
  const Vec<T> e = exp(-abs(x));
  return select(x < Vec<T>(0), e, Vec<T>(1)) / (Vec<T>(1) + e);
}

// Cephes (Moshier, 1989), tanh.c and tanhf.c: a rational (double) or polynomial (float)
// approximation near 0, 1 - 2 / (exp(2|x|) + 1) beyond.
template <class T>
Vec<T> tanh(Vec<T> x) {
  const Vec<T> z = x * x;
  Vec<T> correction;
  if constexpr (std::is_same_v<T, float>) {
    correction =
        polynomial(z, std::array{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2,
                                 1.33314422036e-1, -3.33332819422e-1});
  } else {
    const Vec<T> p =
        polynomial(z, std::array{-9.64399179425052238628e-1, -9.92877231001918586564e1,
                                 -1.61468768441708447952e3});
    const Vec<T> q =
        polynomial(z, std::array{1.0, 1.12811678491632931402e2,
                                 2.23548839060100448583e3, 4.84406305325125486048e3});
    correction = p / q;
  }
  const Vec<T> near = fma(x * z, correction, x);
  const Vec<T> magnitude = abs(x);
  const Vec<T> beyond =
      Vec<T>(1) - Vec<T>(2) / (exp(magnitude + magnitude) + Vec<T>(1));
  const Vec<T> far = select(x < Vec<T>(0), -beyond, beyond);
  return select(magnitude < Vec<T>(T(0.625)), near, far);
}

// exp(x) - 1 without cancellation near 0, through tanh(x / 2); for x <= 0.
template <class T>
Vec<T> expm1_negative(Vec<T> x) {
  const Vec<T> t = tanh(x * Vec<T>(T(0.5)));
  return (t + t) / (Vec<T>(1) - t);
}

// The normal distribution's density and cumulative distribution, together. Cephes
// ndtr.c: erf by a rational approximation up to 1, erfc beyond, so that the lower tail
// keeps its relative accuracy.
template <class T>
struct Normal {
  Vec<T> density;
  Vec<T> cumulative;
};

template <class T>
Normal<T> normal(Vec<T> x) {
  const Vec<T> half(T(0.5));
  const Vec<T> z = abs(x) * Vec<T>(static_cast<T>(0.70710678118654752440));
  const Vec<T> e = exp(-(x * x) * half);

  const Vec<T> z2 = z * z;
  const Vec<T> erf =
      z *
      polynomial(z2, std::array{9.60497373987051638749e0, 9.00260197203842689217e1,
                                2.23200534594684319226e3, 7.00332514112805075473e3,
                                5.55923013010394962768e4}) /
      polynomial(z2, std::array{1.0, 3.35617141647503099647e1, 5.21357949780152679795e2,
                                4.59432382970980127987e3, 2.26290000613890934246e4,
                                4.92673942608635921086e4});
  // Past 8 the first approximation loses digits; both lose them all where exp is 0.
  const Vec<T> zc = min(z, Vec<T>(T(8)));
  const Vec<T> middle =
      polynomial(zc, std::array{2.46196981473530512524e-10, 5.64189564831068821977e-1,
                                7.46321056442269912687e0, 4.86371970985681366614e1,
                                1.96520832956077098242e2, 5.26445194995477358631e2,
                                9.34528527171957607540e2, 1.02755188689515710272e3,
                                5.57535335369399327526e2}) /
      polynomial(zc, std::array{1.0, 1.32281951154744992508e1, 8.67072140885989742329e1,
                                3.54937778887819891062e2, 9.75708501743205489753e2,
                                1.82390916687909736289e3, 2.24633760818710981792e3,
                                1.65666309194161350182e3, 5.57535340817727675546e2});
  const Vec<T> zt = min(z, Vec<T>(T(40)));  // no overflow in the powers; exp is 0 there
  const Vec<T> tail =
      polynomial(zt, std::array{5.64189583547755073984e-1, 1.27536670759978104416e0,
                                5.01905042251180477414e0, 6.16021097993053585195e0,
                                7.40974269950448939160e0, 2.97886665372100240670e0}) /
      polynomial(zt, std::array{1.0, 2.26052863220117276590e0, 9.39603524938001434673e0,
                                1.20489539808096656605e1, 1.70814450747565897222e1,
                                9.60896809063285878198e0, 3.36907645100081516050e0});
  const Vec<T> upper = half * e * select(z < Vec<T>(T(8)), middle, tail);
  const Vec<T> far = select(x < Vec<T>(0), upper, Vec<T>(1) - upper);
  const Vec<T> near = half + half * select(x < Vec<T>(0), -erf, erf);
  const Vec<T> cumulative = select(z < Vec<T>(1), near, far);
  // A NaN fails every comparison above; adding 0 x keeps it (and infinities are
  // settled).
  const auto is_number = x == x;
  return {e * Vec<T>(static_cast<T>(0.39894228040143267794)),
          select(is_number, cumulative, x)};
}

}  // namespace fastmlp
