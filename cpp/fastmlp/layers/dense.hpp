// Dense: y = x W + b, its input gradient dx = dy W^T and its weight gradient x^T dy.
#pragma once

#include <tuple>

#include "../family.hpp"
#include "../kernels/gemm.hpp"
#include "../kernels/reduce.hpp"

namespace fastmlp {

struct Dense {
  static constexpr const char* class_name = "Dense";
  static constexpr const char* summary =
      "y = x W + b, with a weight W (in_features, out_features) and a bias b "
      "(out_features,).";
  Index in_features = 1;
  Index out_features = 1;
  static constexpr auto fields() {
    return std::tuple{Field{"in_features", &Dense::in_features, kSizes},
                      Field{"out_features", &Dense::out_features, kSizes}};
  }
};

// The parameters of a Dense layer, packed for the products: W by panels of outputs, W^T
// by panels of inputs, both in square blocks, and b in whole panels.
template <class T>
struct DenseState {
  PanelBuffer<T> weight;
  PanelBuffer<T> transposed;  // empty where no input gradient is asked for
  Buffer<T> bias;

  DenseState(const Dense& layer, bool input_gradient)
      : weight(PanelBuffer<T>::square_blocks(layer.in_features, layer.out_features)),
        bias(round_up(layer.out_features, kLanes<T>)) {
    if (input_gradient) {
      transposed = PanelBuffer<T>::square_blocks(layer.out_features, layer.in_features);
      zero_ = Buffer<T>(round_up(layer.in_features, kLanes<T>));
    }
  }

  void load(const Dense& layer, const T* w, const T* b) {
    pack(w, {0, layer.in_features}, weight.panels);
    std::copy_n(b, layer.out_features, bias.data());
    if (transposed.panels) transpose(weight.panels, transposed.panels);
  }
  void save(const Dense& layer, T* w, T* b) const {
    unpack(weight.panels, {0, layer.in_features}, w);
    std::copy_n(bias.data(), layer.out_features, b);
  }

  const T* zero() const { return zero_.data(); }

 private:
  Buffer<T> zero_;  // the "bias" of the input gradient
};

template <class T, class Done>
void dense_forward(const DenseState<T>& state, Panels<T> x, Panels<T> y, Range rows,
                   Done&& done) {
  multiply(x, rows, state.weight.panels, state.bias.data(), y, done);
}

template <class T, class Done>
void dense_backward(const DenseState<T>& state, Panels<T> dy, Panels<T> dx, Range rows,
                    Done&& done) {
  multiply(dy, rows, state.transposed.panels, state.zero(), dx, done);
}

// A piece of a Dense layer's weight gradient that one thread computes: some panels of
// inputs by one tile of panels of outputs.
struct DenseUnit {
  Range inputs;   // panels
  Range outputs;  // panels; at most Tile<T>::panels
};

inline constexpr Index kUnitInputs = 6;  // panels; its gradient block stays in L1

template <class T>
inline constexpr Index kUnitScratch =
    kUnitInputs * Tile<T>::panels * kLanes<T> * kLanes<T>;

// Sums over all rows and hands each square block to `weights(input panel, output panel,
// block)` and, with the unit's first inputs, each panel's sum to `biases(panel,
// lanes)`.
template <class T, class Weights, class Biases>
void dense_gradient(const DenseUnit& unit, Panels<T> x, Panels<T> dy, Index rows,
                    T* scratch, Weights&& weights, Biases&& biases) {
  constexpr Index block = kLanes<T> * kLanes<T>;
  constexpr int P = Tile<T>::panels;
  const auto blocks = [&](Index panel) {
    return scratch + (panel - unit.inputs.begin) * P * block;
  };
  for (Index row = 0; row < rows; row += kGradientRows) {
    const Range part{row, std::min(rows, row + kGradientRows)};
    for (Index i = unit.inputs.begin; i < unit.inputs.end; ++i) {
      if (unit.outputs.size() == P) {
        weight_gradient<P>(x, i, dy, unit.outputs.begin, part, row > 0, blocks(i));
      } else {
        weight_gradient<1>(x, i, dy, unit.outputs.begin, part, row > 0, blocks(i));
      }
      if (part.end < rows) continue;
      for (Index j = unit.outputs.begin; j < unit.outputs.end; ++j)
        weights(i, j, blocks(i) + (j - unit.outputs.begin) * block);
    }
  }
  if (unit.inputs.begin > 0) return;
  for (Index j = unit.outputs.begin; j < unit.outputs.end; ++j) {
    alignas(kAlignment) T sum[kLanes<T>];
    sum_panel(dy, j, {0, rows}, sum);
    biases(j, sum);
  }
}

}  // namespace fastmlp
