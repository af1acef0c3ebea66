// Optimizers: elementwise rules that know no layers; the variant is the registry.
//
// w: parameter, g: its gradient, s: the rule's state for it (`slots` numbers).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "family.hpp"
#include "kernels/root.hpp"

namespace fastmlp {

struct Sgd {
  static constexpr const char* name = "sgd";
  static constexpr const char* class_name = "Sgd";
  static constexpr const char* summary =
      "Stochastic gradient descent with momentum (Polyak, 1964), or Nesterov's "
      "(Sutskever, Martens, Dahl and Hinton, ICML 2013), in scikit-learn's form: "
      "the velocity contains the learning rate.";
  static constexpr int slots = 1;
  double momentum = 0.9;
  bool nesterov = true;
  static constexpr auto fields() {
    return std::tuple{Field{"momentum", &Sgd::momentum, Bounds{0.0, 1.0}},
                      Field{"nesterov", &Sgd::nesterov}};
  }

  template <class T>
  struct Rule {
    static constexpr int slots = Sgd::slots;
    Vec<T> momentum, rate;
    bool nesterov;
    void operator()(Vec<T>& w, Vec<T> g, std::array<Vec<T>, slots>& s) const {
      const Vec<T> step = rate * g;
      s[0] = momentum * s[0] - step;
      w = w + (nesterov ? momentum * s[0] - step : s[0]);
    }
  };
  // The rule of step `t` = 1, 2, ...
  template <class T>
  Rule<T> at(double learning_rate, std::int64_t) const {
    return {Vec<T>(static_cast<T>(momentum)), Vec<T>(static_cast<T>(learning_rate)),
            nesterov};
  }
};

struct Adam {
  static constexpr const char* name = "adam";
  static constexpr const char* class_name = "Adam";
  static constexpr const char* summary =
      "Kingma and Ba, 'Adam: a method for stochastic optimization', ICLR 2015, "
      "with epsilon outside the bias correction (the end of their section 2), as "
      "in scikit-learn.";
  static constexpr int slots = 2;
  double beta_1 = 0.9;
  double beta_2 = 0.999;
  double epsilon = 1e-8;
  static constexpr auto fields() {
    constexpr Bounds share{0.0, 1.0, false, true};
    return std::tuple{Field{"beta_1", &Adam::beta_1, share},
                      Field{"beta_2", &Adam::beta_2, share},
                      Field{"epsilon", &Adam::epsilon, Bounds{0.0, kInfinity, true}}};
  }

  template <class T>
  struct Rule {
    static constexpr int slots = Adam::slots;
    Vec<T> beta_1, rest_1, beta_2, rest_2, rate, epsilon;
    void operator()(Vec<T>& w, Vec<T> g, std::array<Vec<T>, slots>& s) const {
      s[0] = fma(beta_1, s[0], rest_1 * g);
      s[1] = fma(beta_2, s[1], rest_2 * (g * g));
      w = w - rate * s[0] / (root(s[1]) + epsilon);
    }
  };
  template <class T>
  Rule<T> at(double learning_rate, std::int64_t t) const {
    const auto n = static_cast<double>(t);
    // Two powers a step are 2 % of a small network's time: not asked for where they are
    // lost in the rounding, since beta^n < exp(-(1 - beta) n) < 2^-54.
    const auto correction = [n](double beta) {
      return (1 - beta) * n > 38 ? 1.0 : 1 - std::pow(beta, n);
    };
    const double rate =
        learning_rate * std::sqrt(correction(beta_2)) / correction(beta_1);
    const auto vec = [](double x) { return Vec<T>(static_cast<T>(x)); };
    // The smallest gradient whose square still counts: smaller ones are flushed to a
    // second moment of zero, and the first must not be divided by less than they are.
    const double least = std::sqrt(std::numeric_limits<T>::min() / (1 - beta_2));
    return {vec(beta_1),     vec(1 - beta_1), vec(beta_2),
            vec(1 - beta_2), vec(rate),       vec(std::max(epsilon, least))};
  }
};

using Optimizer = std::variant<Sgd, Adam>;

inline int slots(const Optimizer& optimizer) {
  return std::visit([]<class O>(const O&) { return O::slots; }, optimizer);
}

// The rules of one step, ready to use: one type for each optimizer.
template <class T, class Family>
struct RulesOf;
template <class T, class... Members>
struct RulesOf<T, std::variant<Members...>> {
  using type = std::variant<typename Members::template Rule<T>...>;
};
template <class T>
using OptimizerRule = typename RulesOf<T, Optimizer>::type;

template <class T>
OptimizerRule<T> rule_at(const Optimizer& optimizer, double learning_rate,
                         std::int64_t t) {
  return std::visit(
      [&](const auto& o) -> OptimizerRule<T> {
        return o.template at<T>(learning_rate, t);
      },
      optimizer);
}

// What the rule's gradient is made of: scale x (g + alpha w), where g is a sum over
// rows and scale the inverse of their weight. In this order, as in scikit-learn, sums
// that overflow show.
template <class T>
struct GradientForm {
  T scale = T(1);
  T alpha = T(0);
};

// One step for n parameters side by side (whole registers). With a penalty, adds the
// squares that they had before the step to `squares`. The rule is copied here, so that
// no store can change it and it stays in registers.
//
// Momentum of weights that learn no more decays until it is subnormal and stays there,
// as do the weights themselves under a penalty, and small gradients have subnormal
// squares: callers flush such numbers to zero (see FlushToZero).
template <class T, class Rule>
void update(const Rule& shared, GradientForm<T> form, Index n, T* w, const T* g,
            std::array<T*, Rule::slots> state, Vec<T>& squares) {
  const Rule rule = shared;
  const Vec<T> scale(form.scale);
  const auto step = [&](Index i, Vec<T> weight, Vec<T> gradient) {
    std::array<Vec<T>, Rule::slots> s;
    for (std::size_t k = 0; k < s.size(); ++k) s[k] = Vec<T>::load(state[k] + i);
    rule(weight, gradient, s);
    for (std::size_t k = 0; k < s.size(); ++k) s[k].store(state[k] + i);
    weight.store(w + i);
  };
  if (form.alpha == T(0)) {
    for (Index i = 0; i < n; i += Vec<T>::size)
      step(i, Vec<T>::load(w + i), scale * Vec<T>::load(g + i));
    return;
  }
  Vec<T> sum = squares;
  for (Index i = 0; i < n; i += Vec<T>::size) {
    const Vec<T> weight = Vec<T>::load(w + i);
    sum = fma(weight, weight, sum);
    step(i, weight, scale * fma(Vec<T>(form.alpha), weight, Vec<T>::load(g + i)));
  }
  squares = sum;
}

}  // namespace fastmlp
