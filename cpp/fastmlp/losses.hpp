// Losses, each with its link: value and gradient of raw outputs in one call, so that
// the stable forms (log-sum-exp) are the only ones. The variant is the registry.
//
// A member sees a few rows at a time, transposed: z[output][row lane], so that its
// mathematics runs over rows and needs no reduction across a register.
#pragma once

#include <limits>

#include "family.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/panels.hpp"

namespace fastmlp {

// How a loss is reported. scikit-learn clips probabilities to [eps, 1 - eps] in its log
// losses, and takes the mean of squared errors over outputs where the gradient is that
// of their sum; its loss curves and its stopping follow from that.
template <class T>
struct Reporting {
  T least = T(0);  // of a negative log-probability
  T most = std::numeric_limits<T>::infinity();
  bool mean_over_outputs = false;

  static Reporting plain() { return {}; }
  static Reporting scikit_learn() {
    constexpr T eps = std::numeric_limits<T>::epsilon();
    return {-std::log1p(-eps), -std::log(eps), true};
  }
  // y times the clipped negative log-probability; 0 log 0 is 0.
  Vec<T> weighted(Vec<T> y, Vec<T> negative_log) const {
    const Vec<T> high(most);
    const Vec<T> below = select(high < negative_log, high, negative_log);
    const Vec<T> clipped = select(below < Vec<T>(least), Vec<T>(least), below);
    return select(y == Vec<T>(0), Vec<T>(0), y * clipped);
  }
};

// Rows of one visit to a loss, as columns of lanes.
template <class T>
struct LossRows {
  Index outputs;
  T* z;      // [outputs][lanes]: raw outputs, overwritten by the gradient
  T* y;      // [outputs][lanes]: targets
  T* e;      // [outputs][lanes]: room for what a loss needs twice
  T* value;  // [lanes]

  static Vec<T> get(const T* column, Index output, int v) {
    return Vec<T>::load(column + output * kLanes<T> + v * Vec<T>::size);
  }
  static void set(T* column, Index output, int v, Vec<T> x) {
    x.store(column + output * kLanes<T> + v * Vec<T>::size);
  }
};

struct SoftmaxCrossEntropy {
  static constexpr const char* name = "softmax_cross_entropy";
  static constexpr const char* class_name = "SoftmaxCrossEntropy";
  static constexpr const char* summary =
      "The mean over rows of -sum(y * log(softmax(z))) for raw outputs z (n, "
      "outputs); targets y are integer labels (n,) or rows of probabilities (n, "
      "outputs).";
  static constexpr bool takes_labels = true;
  static constexpr Bounds targets{0, 1};
  static constexpr auto fields() { return std::tuple{}; }

  template <class T>
  void value_and_gradient(const LossRows<T>& rows,
                          const Reporting<T>& reporting) const {
    const auto [outputs, z, y, e, value] = rows;
    using Rows = LossRows<T>;
    for (int v = 0; v < kRegisters<T>; ++v) {
      const Vec<T> highest = row_maximum(z, outputs, v);
      Vec<T> sum(0);
      for (Index c = 0; c < outputs; ++c) {
        const Vec<T> power = exp(Rows::get(z, c, v) - highest);
        Rows::set(e, c, v, power);
        sum = sum + power;
      }
      const Vec<T> log_sum = highest + log(sum);
      const Vec<T> inverse = Vec<T>(1) / sum;
      Vec<T> loss(0);
      Vec<T> mass(0);  // sum of y: 1 for a label or a row of probabilities
      for (Index c = 0; c < outputs; ++c) {
        const Vec<T> target = Rows::get(y, c, v);
        loss = loss + reporting.weighted(target, log_sum - Rows::get(z, c, v));
        mass = mass + target;
      }
      for (Index c = 0; c < outputs; ++c) {
        const Vec<T> p = Rows::get(e, c, v) * inverse;
        Rows::set(z, c, v, mass * p - Rows::get(y, c, v));
      }
      loss.store(value + v * Vec<T>::size);
    }
  }

  template <class T>
  void predict(T* z, Index outputs) const {
    using Rows = LossRows<T>;
    for (int v = 0; v < kRegisters<T>; ++v) {
      const Vec<T> highest = row_maximum(z, outputs, v);
      Vec<T> sum(0);
      for (Index c = 0; c < outputs; ++c) {
        const Vec<T> e = exp(Rows::get(z, c, v) - highest);
        Rows::set(z, c, v, e);
        sum = sum + e;
      }
      for (Index c = 0; c < outputs; ++c) Rows::set(z, c, v, Rows::get(z, c, v) / sum);
    }
  }

 private:
  template <class T>
  static Vec<T> row_maximum(const T* z, Index outputs, int v) {
    Vec<T> highest = LossRows<T>::get(z, 0, v);
    for (Index c = 1; c < outputs; ++c)
      highest = max(LossRows<T>::get(z, c, v), highest);
    return highest;
  }
};

struct BinaryCrossEntropy {
  static constexpr const char* name = "binary_cross_entropy";
  static constexpr const char* class_name = "BinaryCrossEntropy";
  static constexpr const char* summary =
      "The mean over rows of the sum over outputs of -y * log(p) - (1 - y) * "
      "log(1 - p), p = logistic(z), for raw outputs z and targets y (n, "
      "outputs).\n\nlog(1 + exp) as in Maechler, 'Accurately computing log(1 - "
      "exp(-|a|))', 2012.";
  static constexpr bool takes_labels = false;
  static constexpr Bounds targets{0, 1};
  static constexpr auto fields() { return std::tuple{}; }

  template <class T>
  void value_and_gradient(const LossRows<T>& rows,
                          const Reporting<T>& reporting) const {
    const auto [outputs, z, y, e, value] = rows;
    using Rows = LossRows<T>;
    for (int v = 0; v < kRegisters<T>; ++v) {
      Vec<T> loss(0);
      for (Index c = 0; c < outputs; ++c) {
        const Vec<T> raw = Rows::get(z, c, v);
        const Vec<T> target = Rows::get(y, c, v);
        const Vec<T> rest = log1p_near(exp(-abs(raw)));
        loss = loss + reporting.weighted(target, max(-raw, Vec<T>(0)) + rest) +
               reporting.weighted(Vec<T>(1) - target, max(raw, Vec<T>(0)) + rest);
        Rows::set(z, c, v, logistic(raw) - target);
      }
      loss.store(value + v * Vec<T>::size);
    }
  }

  template <class T>
  void predict(T* z, Index outputs) const {
    for (Index i = 0; i < outputs * kLanes<T>; i += Vec<T>::size)
      logistic(Vec<T>::load(z + i)).store(z + i);
  }
};

struct SquaredError {
  static constexpr const char* name = "squared_error";
  static constexpr const char* class_name = "SquaredError";
  static constexpr const char* summary =
      "The mean over rows of half the sum over outputs of (z - y)^2, for outputs "
      "z and targets y (n, outputs).";
  static constexpr bool takes_labels = false;
  static constexpr Bounds targets{};
  static constexpr auto fields() { return std::tuple{}; }

  template <class T>
  void value_and_gradient(const LossRows<T>& rows,
                          const Reporting<T>& reporting) const {
    const auto [outputs, z, y, e, value] = rows;
    using Rows = LossRows<T>;
    for (int v = 0; v < kRegisters<T>; ++v) {
      Vec<T> loss(0);
      for (Index c = 0; c < outputs; ++c) {
        const Vec<T> difference = Rows::get(z, c, v) - Rows::get(y, c, v);
        loss = fma(difference * Vec<T>(T(0.5)), difference, loss);
        Rows::set(z, c, v, difference);
      }
      if (reporting.mean_over_outputs) loss = loss / Vec<T>(static_cast<T>(outputs));
      loss.store(value + v * Vec<T>::size);
    }
  }

  template <class T>
  void predict(T*, Index) const {}
};

struct Poisson {
  static constexpr const char* name = "poisson";
  static constexpr const char* class_name = "Poisson";
  static constexpr const char* summary =
      "The mean over rows of half the Poisson deviance, the sum over outputs of y * "
      "log(y "
      "/ p) - y + p, p = exp(z), for raw outputs z and targets y (n, outputs).";
  static constexpr bool takes_labels = false;
  static constexpr Bounds targets{0, kInfinity};
  static constexpr auto fields() { return std::tuple{}; }

  template <class T>
  void value_and_gradient(const LossRows<T>& rows, const Reporting<T>&) const {
    const auto [outputs, z, y, e, value] = rows;
    using Rows = LossRows<T>;
    for (int v = 0; v < kRegisters<T>; ++v) {
      Vec<T> loss(0);
      for (Index c = 0; c < outputs; ++c) {
        const Vec<T> raw = Rows::get(z, c, v);
        const Vec<T> target = Rows::get(y, c, v);
        const Vec<T> mean = exp(raw);
        const auto none = target == Vec<T>(0);  // 0 log 0 is 0
        const Vec<T> log_ratio = log(select(none, Vec<T>(1), target)) - raw;
        loss = loss + (select(none, Vec<T>(0), target * log_ratio) - target + mean);
        Rows::set(z, c, v, mean - target);
      }
      loss.store(value + v * Vec<T>::size);
    }
  }

  template <class T>
  void predict(T* z, Index outputs) const {
    for (Index i = 0; i < outputs * kLanes<T>; i += Vec<T>::size)
      exp(Vec<T>::load(z + i)).store(z + i);
  }
};

using Loss =
    std::variant<SoftmaxCrossEntropy, BinaryCrossEntropy, SquaredError, Poisson>;

}  // namespace fastmlp
