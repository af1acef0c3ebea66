// Dense: y = x W + b, its input gradient dx = dy W^T and its weight gradient x^T dy.
#pragma once

#include <tuple>

#include "../family.hpp"
#include "../kernels/narrow.hpp"
#include "../kernels/plain.hpp"
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

// Whether a layer has nothing but a few outputs.
template <class T>
bool is_narrow(const Dense& layer) {
  return narrow_outputs<T>(layer.out_features) == layer.out_features;
}

// How a Dense layer holds its weights.
enum class Layout {
  plain,      // where they are in the array that is loaded: to predict a few rows
  packed,     // for the forward product
  both_ways,  // for that and the input gradient
};

// The parameters of a Dense layer, mostly packed for the products: W by panels of
// outputs, but for the last few outputs where they would leave most of a panel empty;
// W^T by panels of inputs; b in whole panels. Both W and W^T in square blocks. What is
// in W^T alone are those few outputs.
template <class T>
struct DenseState {
  PanelBuffer<T> weight;      // (inputs, whole)
  PanelBuffer<T> transposed;  // (outputs, inputs); only the last few rows where no
                              // input gradient is asked for
  RowMajor<T> plain;          // (inputs, whole), in place of `weight`; borrowed
  Buffer<T> bias;
  Index whole;  // outputs that are in `weight` or `plain`

  DenseState(const Dense& layer, Layout layout)
      : bias(round_up(layer.out_features, kLanes<T>)),
        whole(layer.out_features - narrow_outputs<T>(layer.out_features)),
        layout_(layout),
        skipped_(layout == Layout::both_ways ? 0 : whole) {
    if (whole > 0 && layout != Layout::plain)
      weight = PanelBuffer<T>::square_blocks(layer.in_features, whole);
    if (skipped_ < layer.out_features)
      transposed = PanelBuffer<T>::square_blocks(layer.out_features - skipped_,
                                                 layer.in_features);
    if (has_transposed()) zero_ = Buffer<T>(round_up(layer.in_features, kLanes<T>));
  }

  void load(const Dense& layer, const T* w, const T* b) {
    const Index outputs = layer.out_features;
    if (layout_ == Layout::plain) {
      plain = {w, outputs, whole};
    } else {
      pack(w, outputs, {0, layer.in_features}, weight.panels);
    }
    std::copy_n(b, outputs, bias.data());
    if (has_transposed()) transpose(weight.panels, transposed.panels);
    for (Index i = 0; i < layer.in_features; ++i)
      for (Index j = whole; j < outputs; ++j)
        narrow(i / kLanes<T>, j)[i % kLanes<T>] = w[i * outputs + j];
  }
  // Not from the plain layout.
  void save(const Dense& layer, T* w, T* b) const {
    const Index outputs = layer.out_features;
    unpack(weight.panels, {0, layer.in_features}, w, outputs);
    std::copy_n(bias.data(), outputs, b);
    for (Index i = 0; i < layer.in_features; ++i)
      for (Index j = whole; j < outputs; ++j)
        w[i * outputs + j] = narrow(i / kLanes<T>, j)[i % kLanes<T>];
  }

  // The weights between a panel of inputs and the outputs from the first few on.
  T* narrow(Index input_panel) const { return narrow(input_panel, whole); }
  const T* zero() const { return zero_.data(); }
  bool has_transposed() const { return layout_ == Layout::both_ways; }

 private:
  T* narrow(Index input_panel, Index output) const {
    return transposed.panels.at(input_panel, output - skipped_);
  }

  Layout layout_;
  Index skipped_;   // outputs that `transposed` does without
  Buffer<T> zero_;  // the "bias" of the input gradient
};

// Some panels of y, or none, to which `floor` is applied; `done(panel)` follows each of
// them.
template <class Matrix, class T, class Done>
void dense_forward(const DenseState<T>& state, const Matrix& x, Panels<T> y,
                   Range panels, Range rows, Floor<T> floor, Ahead& ahead,
                   Done&& done) {
  const Index end = divide_up(state.whole, kLanes<T>);
  const Range whole{std::min(panels.begin, end), std::min(panels.end, end)};
  const auto multiply_by = [&](const auto& weights) {
    multiply(x, rows, weights, whole, state.bias.data(), floor, y, ahead, done);
  };
  if (state.plain.data) {
    multiply_by(state.plain);
  } else {
    multiply_by(state.weight.panels);
  }
  const Index last = y.count() - 1;
  if (state.whole == y.columns || !panels.contains(last)) return;
  const Panels<T> w{state.narrow(0), state.transposed.panels.stride, x.columns};
  multiply_narrow(x, rows, w, y.columns - state.whole, state.bias.data() + state.whole,
                  floor.least, y.at(last, rows.begin));
  done(last);
}

// The weight gradient of a layer of nothing but a few outputs is summed by row blocks
// where there is an input gradient, together with that: the inputs are in cache then.
template <class T>
struct BlockSums {
  Panels<T> panels;  // (blocks x outputs, inputs); empty where not summed this way
  Index blocks = 0;
};

// `finish` is applied to dx, which `done(panel)` follows; `sums` are written for
// `block`.
template <class T, class Finish, class Done>
void dense_backward(const DenseState<T>& state, Panels<T> x, Panels<T> dy, Panels<T> dx,
                    Range rows, const Finish& finish, Panels<T> sums, Index block,
                    Ahead& ahead, Done&& done) {
  const Panels<T> w = state.transposed.panels;
  if (state.whole == 0) {
    backward_narrow(x, dy.at(0, rows.begin), dy.columns, rows, w, finish, dx, sums,
                    block * dy.columns, done);
  } else {
    multiply(dy, rows, w, {0, w.count()}, state.zero(), finish, dx, ahead, done);
  }
}

// A piece of a Dense layer's weight gradient that one thread computes: some panels of
// inputs by one tile of panels of outputs, or by the last few outputs.
struct DenseUnit {
  Range inputs;      // panels
  Range outputs;     // panels; at most Tile<T>::panels
  Index narrow = 0;  // outputs, if they are the last few

  // The work it takes in a layer with so many inputs: multiplications of a row, in
  // panels by panels, unless row blocks have summed already, and a little for itself.
  template <class T>
  double cost(Index in_features, bool is_summed) const {
    constexpr double itself = 0.5;
    if (is_summed) return itself;
    constexpr auto L = static_cast<double>(kLanes<T>);
    const Index end = std::min(in_features, inputs.end * kLanes<T>);
    const auto columns = narrow > 0 ? static_cast<double>(narrow) / L
                                    : static_cast<double>(outputs.size());
    return static_cast<double>(end - inputs.begin * kLanes<T>) / L * columns + itself;
  }
};

inline constexpr Index kUnitInputs = 6;  // panels; its gradient block stays in L1

template <class T>
inline constexpr Index kUnitScratch =
    kUnitInputs * Tile<T>::panels * kLanes<T> * kLanes<T>;

// Calls f(unit) for all units of a layer, in a fixed order: the same inputs for all
// outputs, where the inputs are larger than a cache.
template <class T, class F>
void each_dense_unit(const Dense& layer, F&& f) {
  const Index inputs = divide_up(layer.in_features, kLanes<T>);
  const Index narrow = narrow_outputs<T>(layer.out_features);
  const Index whole = divide_up(layer.out_features - narrow, kLanes<T>);
  const Index needed = divide_up(inputs, kUnitInputs);
  // Up to four parts, of two panels or more, so that threads find equal work; the last
  // few outputs are too little to share.
  const Index parts = std::max(needed, std::min<Index>(4, inputs / 2));
  for (Index i = 0; i < parts; ++i) {
    const Range part = even_part(inputs, parts, i);
    for (Index j = 0; j < whole; j += Tile<T>::panels)
      f(DenseUnit{part, {j, std::min(whole, j + Tile<T>::panels)}});
    if (narrow > 0 && i < needed)
      f(DenseUnit{even_part(inputs, needed, i), {whole, whole + 1}, narrow});
  }
}

// Where a weight gradient goes: that of a unit's inputs (rows) by one panel of outputs,
// or by the last few, and the sums over rows that are the bias's.
template <class Weights, class Narrow, class Biases>
struct GradientSink {
  Weights weights;  // (inputs, output panel, [input][output lane])
  Narrow narrow;    // (input panel, [output][input lane])
  Biases biases;    // (output panels, [panel][output lane]), with a unit's first inputs
};

template <class Weights, class Narrow, class Biases>
GradientSink(Weights, Narrow, Biases) -> GradientSink<Weights, Narrow, Biases>;

// Some rows at a time, added to what came before them. The sums stay in L1 until they
// are whole, so that they are used up in one go.
template <int P, class T, class Sink>
void whole_gradient(const DenseUnit& unit, Panels<T> x, Panels<T> dy, Index rows,
                    T* scratch, Ahead& ahead, Sink&& sink) {
  constexpr Index L = kLanes<T>;
  constexpr Index stride = kUnitInputs * L * L;
  for (Index row = 0; row < rows; row += kGradientRows) {
    const Range part{row, std::min(rows, row + kGradientRows)};
    for (Index i = unit.inputs.begin; i < unit.inputs.end; ++i)
      weight_gradient<P>(x, i, dy, unit.outputs.begin, part, row > 0,
                         scratch + (i - unit.inputs.begin) * L * L, stride, ahead);
  }
  const Range inputs{unit.inputs.begin * L, std::min(x.columns, unit.inputs.end * L)};
  for (int p = 0; p < P; ++p)
    sink.weights(inputs, unit.outputs.begin + p, scratch + p * stride);
}

// The blocks' sums for a unit's inputs, added up: [panel of inputs][output][lane].
template <class T>
void add_blocks(const DenseUnit& unit, const BlockSums<T>& sums, T* to) {
  for (Index i = unit.inputs.begin; i < unit.inputs.end; ++i) {
    for (Index c = 0; c < unit.narrow; ++c, to += kLanes<T>) {
      sum_rows<T>(sums.blocks, to, [&](Index block, int v) {
        return Vec<T>::load(sums.panels.at(i, block * unit.narrow + c) +
                            v * Vec<T>::size);
      });
    }
  }
}

// The last few outputs' gradient.
template <class T, class Sink>
void narrow_gradient(const DenseUnit& unit, Panels<T> x, Panels<T> dy, Index rows,
                     const BlockSums<T>& sums, T* scratch, Ahead& ahead, Sink&& sink) {
  constexpr Index L = kLanes<T>;
  if (sums.panels) {
    add_blocks(unit, sums, scratch);
  } else {
    for (Index row = 0; row < rows; row += kGradientRows)
      weight_gradient_narrow(x, unit.inputs, dy.at(unit.outputs.begin, row),
                             unit.narrow, {row, std::min(rows, row + kGradientRows)},
                             row > 0, scratch, ahead);
  }
  for (Index i = unit.inputs.begin; i < unit.inputs.end; ++i) {
    // What lies beyond the last input is no gradient.
    for (Index c = 0; c < unit.narrow; ++c)
      std::fill(scratch + c * L + x.width(i), scratch + (c + 1) * L, T(0));
    sink.narrow(i, scratch);
    scratch += unit.narrow * L;
  }
}

// What a unit's gradient will read of the outputs' after its first rows.
template <class T>
void expect_later_rows(const DenseUnit& unit, Panels<T> dy, Index rows, Ahead& ahead) {
  for (Index row = divide_up(rows, kGradientRows) - 1; row > 0; --row)
    expect(dy, unit.outputs,
           {row * kGradientRows, std::min(rows, (row + 1) * kGradientRows)}, ahead);
}

// Sums over all rows.
template <class T, class Sink>
void dense_gradient(const DenseUnit& unit, Panels<T> x, Panels<T> dy, Index rows,
                    const BlockSums<T>& narrow_sums, T* scratch, Ahead& ahead,
                    Sink&& sink) {
  constexpr int P = Tile<T>::panels;
  if (unit.narrow > 0) {
    narrow_gradient(unit, x, dy, rows, narrow_sums, scratch, ahead, sink);
  } else if (unit.outputs.size() == P) {
    whole_gradient<P>(unit, x, dy, rows, scratch, ahead, sink);
  } else {
    whole_gradient<1>(unit, x, dy, rows, scratch, ahead, sink);
  }
  if (unit.inputs.begin > 0) return;
  alignas(kAlignment) T sums[P * kLanes<T>];
  for (Index j = unit.outputs.begin; j < unit.outputs.end; ++j)
    sum_panel(dy, j, {0, rows}, sums + (j - unit.outputs.begin) * kLanes<T>);
  sink.biases(unit.outputs, sums);
}

}  // namespace fastmlp
