// Batch normalization: statistics of a batch, from fixed row blocks in a fixed order,
// and the way forward and back through them.
#pragma once

#include <tuple>

#include "../family.hpp"
#include "../kernels/reduce.hpp"

namespace fastmlp {

struct BatchNorm {
  static constexpr const char* class_name = "BatchNorm";
  static constexpr const char* summary =
      "Normalizes each feature over the batch, weighted by the sample weights, "
      "then applies a learnt scale and shift; in inference with running "
      "statistics. The variance is the biased one, for the batch and for the "
      "running average: running = (1 - momentum) * running + momentum * "
      "batch.\n\nIoffe and Szegedy, 'Batch normalization: accelerating deep "
      "network training by reducing internal covariate shift', ICML 2015.";
  Index features = 1;
  double momentum = 0.1;  // share of the batch in the running statistics
  double eps = 1e-5;
  static constexpr auto fields() {
    return std::tuple{Field{"features", &BatchNorm::features, kSizes},
                      Field{"momentum", &BatchNorm::momentum, Bounds{0.0, 1.0}},
                      Field{"eps", &BatchNorm::eps, Bounds{0.0, kInfinity, true}}};
  }
};

template <class T>
struct BatchNormState {
  Buffer<T> scale, shift, mean, variance;  // gamma, beta, running statistics; padded

  explicit BatchNormState(const BatchNorm& layer)
      : scale(padded(layer)),
        shift(padded(layer)),
        mean(padded(layer)),
        variance(padded(layer)) {}

  static Index padded(const BatchNorm& layer) {
    return round_up(layer.features, kLanes<T>);
  }
};

// What a pass computes over its whole batch, and each row block's share of it.
template <class T>
struct BatchStatistics {
  Index features = 0;  // padded
  bool training = false;
  Buffer<T> mean, variance, inverse_deviation;
  Buffer<T> shift_gradient, scale_gradient;  // sums of dy and of dy x normalized x
  Buffer<T> partial;                         // [block][2][features]
  Buffer<double> block_weight;               // sum of sample weights, by block
  double total_weight = 0;

  BatchStatistics() = default;
  BatchStatistics(Index padded, Index blocks)
      : features(padded),
        mean(padded),
        variance(padded),
        inverse_deviation(padded),
        shift_gradient(padded),
        scale_gradient(padded),
        partial(blocks * 2 * padded),
        block_weight(blocks) {}

  T* part(Index block, int which) const {
    return partial.data() + (2 * block + which) * features;
  }
  void invert(double eps) {
    for (Index i = 0; i < features; ++i)
      inverse_deviation[i] = T(1) / std::sqrt(variance[i] + static_cast<T>(eps));
  }
};

// One block's weighted mean and sum of squared deviations from it, in two sweeps.
// `weight` (by row in the batch) may be null.
template <class T>
void batch_norm_collect(Panels<T> x, Range rows, const T* weight, Index block,
                        BatchStatistics<T>& s) {
  constexpr Index L = kLanes<T>;
  double total = 0;
  for (Index row = rows.begin; row < rows.end; ++row)
    total += weight ? static_cast<double>(weight[row]) : 1.0;
  s.block_weight[block] = total;
  const T inverse = total > 0 ? static_cast<T>(1 / total) : T(0);
  for (Index panel = 0; panel < x.count(); ++panel) {
    const T* from = x.at(panel, rows.begin);
    T* mean = s.part(block, 0) + panel * L;
    const auto w = [&](Index row) {
      return Vec<T>(weight ? weight[rows.begin + row] : T(1));
    };
    sum_rows<T>(rows.size(), false, mean, [&](Index row, int v) {
      return w(row) * Vec<T>::load(from + row * L + v * Vec<T>::size);
    });
    for (Index i = 0; i < L; ++i) mean[i] *= inverse;
    sum_rows<T>(
        rows.size(), false, s.part(block, 1) + panel * L, [&](Index row, int v) {
          const Vec<T> deviation = Vec<T>::load(from + row * L + v * Vec<T>::size) -
                                   Vec<T>::load(mean + v * Vec<T>::size);
          return w(row) * (deviation * deviation);
        });
  }
}

// The batch's statistics from the blocks', in block order: Chan, Golub and LeVeque,
// "Updating formulae and a pairwise algorithm for computing sample variances", 1979.
template <class T>
void batch_norm_combine(const BatchNorm& layer, Index blocks, BatchStatistics<T>& s) {
  s.training = true;
  s.total_weight = 0;
  std::fill_n(s.mean.data(), s.features, T(0));
  std::fill_n(s.variance.data(), s.features, T(0));
  for (Index b = 0; b < blocks; ++b) {
    const double weight = s.block_weight[b];
    const double total = s.total_weight + weight;
    if (weight == 0 || total == 0) continue;
    const T share = static_cast<T>(weight / total);
    const T cross = static_cast<T>(s.total_weight * weight / total);
    for (Index i = 0; i < s.features; ++i) {
      const T difference = s.part(b, 0)[i] - s.mean[i];
      s.mean[i] += difference * share;
      s.variance[i] += s.part(b, 1)[i] + difference * difference * cross;
    }
    s.total_weight = total;
  }
  const T inverse = s.total_weight > 0 ? static_cast<T>(1 / s.total_weight) : T(0);
  for (Index i = 0; i < s.features; ++i) s.variance[i] *= inverse;
  s.invert(layer.eps);
}

// Inference: the running statistics stand for the batch's.
template <class T>
void batch_norm_use_running(const BatchNorm& layer, const BatchNormState<T>& state,
                            BatchStatistics<T>& s) {
  s.training = false;
  std::copy_n(state.mean.data(), s.features, s.mean.data());
  std::copy_n(state.variance.data(), s.features, s.variance.data());
  s.invert(layer.eps);
}

// Moves the running statistics towards the batch's, once the step cannot fail any more.
template <class T>
void batch_norm_commit(const BatchNorm& layer, const BatchStatistics<T>& s,
                       BatchNormState<T>& state) {
  if (s.total_weight == 0) return;
  const T share = static_cast<T>(layer.momentum);
  for (Index i = 0; i < s.features; ++i) {
    state.mean[i] += share * (s.mean[i] - state.mean[i]);
    state.variance[i] += share * (s.variance[i] - state.variance[i]);
  }
}

template <class T>
Vec<T> normalized(const T* x, const BatchStatistics<T>& s, Index column) {
  return (Vec<T>::load(x) - Vec<T>::load(s.mean.data() + column)) *
         Vec<T>::load(s.inverse_deviation.data() + column);
}

template <class T>
void batch_norm_forward(const BatchNormState<T>& state, const BatchStatistics<T>& s,
                        Panels<T> x, Panels<T> y, Index panel, Range rows) {
  for (Index row = rows.begin; row < rows.end; ++row) {
    for (Index i = 0; i < kLanes<T>; i += Vec<T>::size) {
      const Index column = panel * kLanes<T> + i;
      fma(normalized(x.at(panel, row) + i, s, column),
          Vec<T>::load(state.scale.data() + column),
          Vec<T>::load(state.shift.data() + column))
          .store(y.at(panel, row) + i);
    }
  }
}

// One block's sums of dy and of dy x normalized x.
template <class T>
void batch_norm_collect_gradient(Panels<T> x, Panels<T> dy, Range rows, Index block,
                                 BatchStatistics<T>& s) {
  constexpr Index L = kLanes<T>;
  for (Index panel = 0; panel < x.count(); ++panel) {
    sum_panel(dy, panel, rows, false, s.part(block, 0) + panel * L);
    const T* from = x.at(panel, rows.begin);
    const T* gradient = dy.at(panel, rows.begin);
    sum_rows<T>(rows.size(), false, s.part(block, 1) + panel * L,
                [&](Index row, int v) {
                  const Index at = row * L + v * Vec<T>::size;
                  return Vec<T>::load(gradient + at) *
                         normalized(from + at, s, panel * L + v * Vec<T>::size);
                });
  }
}

template <class T>
void batch_norm_combine_gradient(Index blocks, BatchStatistics<T>& s) {
  std::fill_n(s.shift_gradient.data(), s.features, T(0));
  std::fill_n(s.scale_gradient.data(), s.features, T(0));
  for (Index b = 0; b < blocks; ++b) {
    for (Index i = 0; i < s.features; ++i) {
      s.shift_gradient[i] += s.part(b, 0)[i];
      s.scale_gradient[i] += s.part(b, 1)[i];
    }
  }
}

// dy becomes dx in place. Mean and variance of a training pass depend on x: each row's
// share in them is its share of the weight.
template <class T>
void batch_norm_backward(const BatchNormState<T>& state, const BatchStatistics<T>& s,
                         Panels<T> x, Panels<T> dy, const T* weight, Range rows) {
  const bool through_statistics = s.training && s.total_weight > 0;
  const T inverse = through_statistics ? static_cast<T>(1 / s.total_weight) : T(0);
  for (Index panel = 0; panel < x.count(); ++panel) {
    for (Index i = 0; i < kLanes<T>; i += Vec<T>::size) {
      const Index column = panel * kLanes<T> + i;
      const Vec<T> factor = Vec<T>::load(state.scale.data() + column) *
                            Vec<T>::load(s.inverse_deviation.data() + column);
      const Vec<T> shift = Vec<T>::load(s.shift_gradient.data() + column);
      const Vec<T> scale = Vec<T>::load(s.scale_gradient.data() + column);
      for (Index row = rows.begin; row < rows.end; ++row) {
        T* gradient = dy.at(panel, row) + i;
        const Vec<T> share(weight ? weight[row] * inverse : inverse);
        const Vec<T> common =
            fma(normalized(x.at(panel, row) + i, s, column), scale, shift);
        (factor * (Vec<T>::load(gradient) - share * common)).store(gradient);
      }
    }
  }
}

}  // namespace fastmlp
