// Activations: each member is its mathematics on registers; the variant is the
// registry.
//
// z: pre-activation; a = f(z); da, dz: gradients with respect to a and z. A member's
// backward pass needs its output a alone; where f' is no function of f, the forward
// pass of a training step gives `slope` = f'(z) along with a (members with `forward`).
#pragma once

#include "family.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/normal.hpp"
#include "kernels/panels.hpp"

namespace fastmlp {

struct Identity {
  static constexpr const char* name = "identity";
  static constexpr const char* class_name = "Identity";
  static constexpr const char* summary = "The identity, f(z) = z.";
  static constexpr auto fields() { return std::tuple{}; }
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    return z;
  }
  template <class T>
  Vec<T> backward(Vec<T>, Vec<T> da) const {
    return da;
  }
};

struct Sigmoid {
  static constexpr const char* name = "logistic";
  static constexpr const char* class_name = "Sigmoid";
  static constexpr const char* summary =
      "The logistic function, f(z) = 1 / (1 + exp(-z)).";
  static constexpr auto fields() { return std::tuple{}; }
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    return logistic(z);
  }
  template <class T>
  Vec<T> backward(Vec<T> a, Vec<T> da) const {
    return da * (a * (Vec<T>(1) - a));
  }
};

struct Tanh {
  static constexpr const char* name = "tanh";
  static constexpr const char* class_name = "Tanh";
  static constexpr const char* summary = "The hyperbolic tangent, f(z) = tanh(z).";
  static constexpr auto fields() { return std::tuple{}; }
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    return tanh(z);
  }
  template <class T>
  Vec<T> backward(Vec<T> a, Vec<T> da) const {
    return da * (Vec<T>(1) - a * a);
  }
};

struct Relu {
  static constexpr const char* name = "relu";
  static constexpr const char* class_name = "ReLU";
  static constexpr const char* summary =
      "The rectified linear unit, f(z) = max(z, 0), with derivative 0 at "
      "0.\n\nNair and Hinton, 'Rectified linear units improve restricted "
      "Boltzmann machines', ICML 2010.";
  static constexpr auto fields() { return std::tuple{}; }
  static constexpr int least = 0;
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    return max(z, Vec<T>(0));
  }
  // 0 where a == 0, as scikit-learn's; a NaN lets the gradient through.
  template <class T>
  Vec<T> backward(Vec<T> a, Vec<T> da) const {
    return unless(a == Vec<T>(0), da);
  }
};

struct LeakyRelu {
  static constexpr const char* name = "leaky_relu";
  static constexpr const char* class_name = "LeakyReLU";
  static constexpr const char* summary =
      "The leaky rectified linear unit, f(z) = z for z > 0, else slope * "
      "z.\n\nMaas, Hannun and Ng, 'Rectifier nonlinearities improve neural "
      "network acoustic models', ICML 2013.";
  double slope = 0.01;
  static constexpr auto fields() {
    return std::tuple{Field{"slope", &LeakyRelu::slope, Bounds{0.0, kInfinity}}};
  }
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    return select(z < Vec<T>(0), z * Vec<T>(static_cast<T>(slope)), z);
  }
  template <class T>
  Vec<T> backward(Vec<T> a, Vec<T> da) const {
    return select(a > Vec<T>(0), da, da * Vec<T>(static_cast<T>(slope)));
  }
};

struct Elu {
  static constexpr const char* name = "elu";
  static constexpr const char* class_name = "ELU";
  static constexpr const char* summary =
      "The exponential linear unit, f(z) = z for z > 0, else alpha * (exp(z) - "
      "1).\n\nClevert, Unterthiner and Hochreiter, 'Fast and accurate deep "
      "network learning by exponential linear units (ELUs)', ICLR 2016.";
  double alpha = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"alpha", &Elu::alpha, Bounds{0.0, kInfinity}}};
  }
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    const Vec<T> below = expm1_negative(z) * Vec<T>(static_cast<T>(alpha));
    return select(z < Vec<T>(0), below, z);
  }
  template <class T>
  Vec<T> backward(Vec<T> a, Vec<T> da) const {
    return select(a > Vec<T>(0), da, da * (a + Vec<T>(static_cast<T>(alpha))));
  }
};

struct Swish {
  static constexpr const char* name = "swish";
  static constexpr const char* class_name = "Swish";
  static constexpr const char* summary =
      "Swish, f(z) = z / (1 + exp(-beta * z)); SiLU where beta is "
      "1.\n\nRamachandran, Zoph and Le, 'Searching for activation functions', "
      "2017.";
  double beta = 1.0;
  static constexpr auto fields() { return std::tuple{Field{"beta", &Swish::beta}}; }
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    return divide(z, exp_minus(z * Vec<T>(static_cast<T>(beta))).one_plus);
  }
  template <class T>
  Vec<T> forward(Vec<T> z, Vec<T>& slope) const {
    const Vec<T> b(static_cast<T>(beta));
    const ExpMinus<T> minus = exp_minus(z * b);
    const Vec<T> gate = Vec<T>(1) / minus.one_plus;
    const Vec<T> a = divide(z, minus.one_plus);
    slope = fma(b * a, minus.e * gate, gate);
    return a;
  }

 private:
  // z / one_plus; the limit 0 where both are infinite.
  template <class T>
  static Vec<T> divide(Vec<T> z, Vec<T> one_plus) {
    const Vec<T> infinite(std::numeric_limits<T>::infinity());
    return select(one_plus == infinite, Vec<T>(0), z / one_plus);
  }
};

struct Gelu {
  static constexpr const char* name = "gelu";
  static constexpr const char* class_name = "GELU";
  static constexpr const char* summary =
      "The Gaussian error linear unit, f(z) = z * P(Z <= z) for a standard normal "
      "Z; exact, not its tanh approximation.\n\nHendrycks and Gimpel, 'Gaussian "
      "error linear units (GELUs)', 2016.";
  static constexpr auto fields() { return std::tuple{}; }
  template <class T>
  Vec<T> operator()(Vec<T> z) const {
    return max(z, Vec<T>(0)) - normal_tail(z).value;
  }
  template <class T>
  Vec<T> forward(Vec<T> z, Vec<T>& slope) const {
    const Tail<T> tail = normal_tail(z);
    slope = select(z < Vec<T>(0), tail.slope, Vec<T>(1) - tail.slope);
    return max(z, Vec<T>(0)) - tail.value;
  }
};

using Activation =
    std::variant<Identity, Sigmoid, Tanh, Relu, LeakyRelu, Elu, Swish, Gelu>;

// True for members whose derivative is no function of their output.
template <class Member>
inline constexpr bool keeps_slope =
    !requires(Member f, Vec<float> v) { f.backward(v, v); };

// True for members that are a floor, max(z, least), and nothing else: products apply it
// and its derivative before their sums leave the registers.
template <class Member>
inline constexpr bool is_floor = requires { Member::least; };

inline bool needs_slope(const Activation& activation) {
  return std::visit([]<class F>(const F&) { return keeps_slope<F>; }, activation);
}

// a = f(z) for some rows of one panel; fills `slope` if the member keeps one and it is
// not empty. `a` may be `z`.
template <class F, class T>
void activate(const F& f, Panels<T> z, Panels<T> a, Panels<T> slope, Index panel,
              Range rows) {
  if (std::is_same_v<F, Identity> && z.data == a.data) return;
  const T* from = z.at(panel, rows.begin);
  T* to = a.at(panel, rows.begin);
  const Index n = rows.size() * kLanes<T>;
  if constexpr (keeps_slope<F>) {
    if (slope) {
      T* slopes = slope.at(panel, rows.begin);
      for (Index i = 0; i < n; i += Vec<T>::size) {
        Vec<T> s;
        f.forward(Vec<T>::load(from + i), s).store(to + i);
        s.store(slopes + i);
      }
      return;
    }
  }
  for (Index i = 0; i < n; i += Vec<T>::size) f(Vec<T>::load(from + i)).store(to + i);
}

// What a product's sums of da become before they leave their registers: dz. `kept` is
// the activation's slope or else its output.
template <class F, class T>
struct Derivative {
  [[no_unique_address]] F f;
  Panels<T> kept;

  Derivative from(Index panel, Index row) const { return {f, kept.from(panel, row)}; }
  Vec<T> operator()(Vec<T> sum, Index panel, Index offset) const {
    const Vec<T> k = Vec<T>::load(kept.data + panel * kept.stride + offset);
    if constexpr (keeps_slope<F>) {
      return sum * k;
    } else {
      return f.backward(k, sum);
    }
  }
};

// da becomes dz in place, for some rows of one panel.
template <class F, class T>
void activate_backward(const F& f, Panels<T> a, Panels<T> slope, Panels<T> da,
                       Index panel, Range rows) {
  if (std::is_same_v<F, Identity>) return;
  T* to = da.at(panel, rows.begin);
  const Derivative<F, T> derivative{f, keeps_slope<F> ? slope : a};
  const auto ready = derivative.from(panel, rows.begin);
  for (Index i = 0; i < rows.size() * kLanes<T>; i += Vec<T>::size)
    ready(Vec<T>::load(to + i), 0, i).store(to + i);
}

}  // namespace fastmlp
