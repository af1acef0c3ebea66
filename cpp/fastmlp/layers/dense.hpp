// Dense: y = x W + b, its input gradient dx = dy W^T and its weight gradient x^T dy.
#pragma once

#include <tuple>

#include "../family.hpp"
#include "../kernels/matrix_unit.hpp"
#include "../kernels/narrow.hpp"
#include "../kernels/plain.hpp"
#include "../kernels/reduce.hpp"
#include "../kernels/sparse.hpp"

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
  in_place,   // where they are in the array that is loaded: for sparse rows
  plain,      // the same but for the last few outputs: to be read once
  packed,     // for the forward product
  both_ways,  // for that and the input gradient
  tiled,      // packed, to be taken apart for a matrix unit, for both products
};

// Outputs that fill whole panels, or nearly.
template <class T>
Index whole_outputs(const Dense& layer) {
  return layer.out_features - narrow_outputs<T>(layer.out_features);
}

// The parameters of a Dense layer, mostly packed for the products: W by panels of
// outputs, but for the last few outputs where they would leave most of a panel empty;
// W^T by panels of inputs; b in whole panels. Both W and W^T in square blocks. What is
// in W^T alone are those few outputs.
template <class T>
struct DenseState {
  PanelBuffer<T> weight;      // (inputs, whole)
  PanelBuffer<T> transposed;  // (outputs, inputs); only the last few rows where no
                              // input gradient is asked for, and where it is tiled
  RowMajor<T> plain;          // (inputs, whole), in place of `weight`; borrowed. In
                              // place, all outputs
  Buffer<T> bias;
  Index whole;  // outputs that are in `weight` or `plain`

  DenseState(const Dense& layer, Layout layout)
      : bias(round_up(layer.out_features, kLanes<T>)),
        whole(whole_outputs<T>(layer)),
        layout_(layout),
        skipped_(layout == Layout::both_ways  ? 0
                 : layout == Layout::in_place ? layer.out_features
                                              : whole) {
    if (whole > 0 && !is_borrowed())
      weight = PanelBuffer<T>::square_blocks(layer.in_features, whole);
    if (skipped_ < layer.out_features)
      transposed = PanelBuffer<T>::square_blocks(layer.out_features - skipped_,
                                                 layer.in_features);
    if (has_transposed() || is_tiled())
      zero_ = Buffer<T>(round_up(layer.in_features, kLanes<T>));
  }

  void load(const Dense& layer, const T* w, const T* b) {
    const Index outputs = layer.out_features;
    std::copy_n(b, outputs, bias.data());
    if (layout_ == Layout::in_place) {
      plain = {w, outputs, outputs};
      return;
    }
    if (layout_ == Layout::plain) {
      plain = {w, outputs, whole};
    } else {
      pack(w, outputs, {0, layer.in_features}, weight.panels);
    }
    if (has_transposed()) transpose(weight.panels, transposed.panels);
    for (Index i = 0; i < layer.in_features; ++i)
      for (Index j = whole; j < outputs; ++j)
        narrow(i / kLanes<T>, j)[i % kLanes<T>] = w[i * outputs + j];
  }
  // Not where weights are borrowed.
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
  // The same, for sparse rows.
  FewOutputs<T> few_outputs() const {
    constexpr Index L = kLanes<T>;
    if (layout_ != Layout::in_place) return {narrow(0), transposed.panels.stride, 1, L};
    return {plain.data + whole, L * plain.stride, plain.stride, 1};
  }
  const T* zero() const { return zero_.data(); }
  bool has_transposed() const { return layout_ == Layout::both_ways; }
  bool is_tiled() const { return layout_ == Layout::tiled; }
  bool is_borrowed() const {
    return layout_ == Layout::plain || layout_ == Layout::in_place;
  }

 private:
  T* narrow(Index input_panel, Index output) const {
    return transposed.panels.at(input_panel, output - skipped_);
  }

  Layout layout_;
  Index skipped_;   // outputs that `transposed` does without
  Buffer<T> zero_;  // the "bias" of the input gradient
};

// A tiled layer's weights as right operand of the forward product. Each thread takes
// them apart anew for its rows. Kept apart, for both products, they would be three
// times as large, and all of that would change with each update and go from core to
// core (784-512-512-10, batches of 256: 4 % of the time; two threads 6 %).
template <class T>
class WeightTiles {
 public:
  WeightTiles(Panels<T> w, Index inputs)
      : w_(w),
        inputs_(divide_up(inputs, kLanes<T>)),
        steps_(tile_steps<T>(inputs, inputs)) {}
  Index steps() const { return steps_; }
  Index bytes() const { return w_.bytes(); }

  // Some steps of a panel of outputs, one after the other.
  void split(Index panel, Range steps, Tiles::Pair* to) const {
    for (Index i = 2 * steps.begin; i < 2 * steps.end; i += 2, to += Tiles::kTile)
      fastmlp::split(half(panel, i), half(panel, i + 1), to);
  }
  void expect(Range panels, Range steps, Ahead& ahead) const {
    const Index end = std::min(2 * steps.end, inputs_);
    fastmlp::expect(w_, panels, {2 * steps.begin * kLanes<T>, end * kLanes<T>}, ahead);
  }

 private:
  TileHalf<T> half(Index panel, Index i) const {
    if (i == inputs_) return {};
    return {w_.at(panel, i * kLanes<T>), kLanes<T>};
  }

  Panels<T> w_;
  Index inputs_;  // panels
  Index steps_;
};

// The same, transposed, of the input gradient: the last few outputs, if any, are a step
// of their own.
template <class T>
class TransposedTiles {
 public:
  TransposedTiles(const DenseState<T>& state, Index outputs)
      : state_(state),
        w_(state.weight.panels),
        pairs_(divide_up(w_.count(), 2)),
        steps_(tile_steps<T>(outputs, state.whole)) {}
  Index steps() const { return steps_; }
  Index bytes() const { return w_.bytes(); }

  // Some steps of a panel of inputs.
  void split(Index panel, Range steps, Tiles::Pair* to) const {
    const Index end = std::min(steps.end, pairs_);
    for (Index j = 2 * steps.begin; j < 2 * end; j += 2, to += Tiles::kTile)
      split_transposed(half(panel, j), half(panel, j + 1), to);
    if (end < steps.end) fastmlp::split<T>({state_.narrow(panel), kLanes<T>}, {}, to);
  }
  void expect(Range panels, Range steps, Ahead& ahead) const {
    fastmlp::expect(w_, {2 * steps.begin, std::min(2 * steps.end, w_.count())},
                    {panels.begin * kLanes<T>, panels.end * kLanes<T>}, ahead);
  }

 private:
  TileHalf<T> half(Index panel, Index j) const {
    if (j == w_.count()) return {};
    return {w_.at(j, panel * kLanes<T>), kLanes<T>};
  }

  const DenseState<T>& state_;
  Panels<T> w_;
  Index pairs_;  // of panels of outputs
  Index steps_;
};

// What goes with a thread on the way of a row block through the layers, and when it
// sums their gradient.
template <class T>
struct Way {
  Ahead ahead{};
  TileScratch* scratch = nullptr;  // where a layer takes tiles
};

// Some panels of y, or none, to which `floor` is applied; `done(panel, rows)` follows
// each of them.
template <class Matrix, class T, class Done>
void dense_forward(const DenseState<T>& state, const Matrix& x, Panels<T> y,
                   Range panels, Range rows, Floor<T> floor, Way<T>& way, Done&& done) {
  const Index end = divide_up(state.whole, kLanes<T>);
  const Range whole{std::min(panels.begin, end), std::min(panels.end, end)};
  const auto multiply_by = [&](const auto& weights) {
    multiply(x, rows, weights, whole, state.bias.data(), floor, y, way.ahead, done);
  };
  if (state.is_borrowed()) {
    multiply_by(state.plain);
  } else if (state.is_tiled()) {
    if constexpr (kUsesTiles<T> && std::is_same_v<Matrix, Panels<T>>) {
      multiply(x, x.columns, rows, WeightTiles<T>(state.weight.panels, x.columns),
               whole, state.bias.data(), floor, y, *way.scratch, way.ahead, done);
    }
  } else {
    multiply_by(state.weight.panels);
  }
  const Index last = y.count() - 1;
  if (state.whole == y.columns || !panels.contains(last)) return;
  const Panels<T> w{state.narrow(0), state.transposed.panels.stride, x.columns};
  multiply_narrow(x, rows, w, y.columns - state.whole, state.bias.data() + state.whole,
                  floor.least, y.at(last, rows.begin));
  done(last, rows);
}

// `finish` is applied to dx, which `done(panel, rows)` follows. A layer of nothing but
// a few outputs goes by dense_backward_few.
template <class T, class Finish, class Done>
void dense_backward(const DenseState<T>& state, Panels<T> dy, Panels<T> dx, Range rows,
                    const Finish& finish, Way<T>& way, Done&& done) {
  eigen_assert(state.whole > 0);
  const Panels<T> w = state.transposed.panels;
  if (state.is_tiled()) {
    if constexpr (kUsesTiles<T>) {
      multiply(dy, state.whole, rows, TransposedTiles<T>(state, dy.columns),
               {0, dx.count()}, state.zero(), finish, dx, *way.scratch, way.ahead,
               done);
    }
  } else {
    multiply(dy, rows, w, {0, w.count()}, state.zero(), finish, dx, way.ahead, done);
  }
}

// A layer of nothing but a few outputs: where there is an input gradient, the weights'
// is summed by row blocks, together with that, since the inputs are in cache then:
// (blocks x outputs, inputs) in `sums`, written for `block`. `finish` is applied to dx,
// which may take the place of x.
template <class T, class Finish>
void dense_backward_few(const DenseState<T>& state, Panels<T> x, Panels<T> dy,
                        Panels<T> dx, Range rows, const Finish& finish, Panels<T> sums,
                        Index block) {
  eigen_assert(state.whole == 0);
  backward_narrow(x, dy.at(0, rows.begin), dy.columns, rows, state.transposed.panels,
                  finish, dx, sums, block * dy.columns);
}

}  // namespace fastmlp
