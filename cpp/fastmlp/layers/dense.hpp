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
  in_place,         // where they are in the array that is loaded: for sparse rows
  plain,            // the same but for the last few outputs: to be read once
  packed,           // for the forward product
  both_ways,        // for that and the input gradient
  tiled,            // packed, and in tiles of a matrix unit for the forward product
  tiled_both_ways,  // that, and in tiles for the input gradient
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
  PanelBuffer<T> weight;        // (inputs, whole)
  PanelBuffer<T> transposed;    // (outputs, inputs); only the last few rows where no
                                // input gradient is asked for, or tiles give it
  RowMajor<T> plain;            // (inputs, whole), in place of `weight`; borrowed. In
                                // place, all outputs
  TileBuffer tiles;             // (inputs, whole)
  TileBuffer transposed_tiles;  // (outputs, inputs)
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
    const Index inputs = divide_up(layer.in_features, kLanes<T>);
    const Index outputs = divide_up(whole, kLanes<T>);
    if (is_tiled())
      tiles = TileBuffer(outputs, tile_steps<T>(layer.in_features, layer.in_features));
    if (layout_ == Layout::tiled_both_ways)
      transposed_tiles = TileBuffer(inputs, tile_steps<T>(layer.out_features, whole));
    if (has_transposed() || transposed_tiles.tiles)
      zero_ = Buffer<T>(inputs * kLanes<T>);
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
    if constexpr (kUsesTiles<T>) {
      if (!is_tiled()) return;
      const Index inputs = divide_up(layer.in_features, kLanes<T>);
      fill_tiles({0, inputs}, {0, weight.panels.count()});
      if (whole == outputs) return;
      for (Index i = 0; i < inputs; ++i) fill_narrow_tile(i);
    }
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
  bool is_tiled() const {
    return layout_ == Layout::tiled || layout_ == Layout::tiled_both_ways;
  }
  bool is_borrowed() const {
    return layout_ == Layout::plain || layout_ == Layout::in_place;
  }

  // Where weights have changed: between panels of inputs and of outputs, beginning with
  // even numbers, or between a panel of inputs and the last few outputs.
  void fill_tiles(Range inputs, Range outputs) {
    static_assert(Tile<T>::panels % 2 == 0, "units of outputs share no tile");
    constexpr Index L = kLanes<T>;
    const Panels<T> w = weight.panels;
    const auto half = [&](Index i, Index j) {
      return i < inputs.end && j < outputs.end ? TileHalf<T>{w.at(j, i * L), L}
                                               : TileHalf<T>{};
    };
    for (Index j = outputs.begin; j < outputs.end; ++j)
      for (Index i = inputs.begin; i < inputs.end; i += 2)
        split(half(i, j), half(i + 1, j), tiles.tiles.at(j, i / 2));
    if (!transposed_tiles.tiles) return;
    for (Index i = inputs.begin; i < inputs.end; ++i)
      for (Index j = outputs.begin; j < outputs.end; j += 2)
        split_transposed(half(i, j), half(i, j + 1),
                         transposed_tiles.tiles.at(i, j / 2));
  }
  void expect_tiles(Range inputs, Range outputs, Ahead& ahead, Use use) const {
    const auto pairs = [](Range panels) {
      return Range{panels.begin / 2, divide_up(panels.end, 2)};
    };
    expect(tiles.tiles, outputs, pairs(inputs), ahead, use);
    if (transposed_tiles.tiles)
      expect(transposed_tiles.tiles, inputs, pairs(outputs), ahead, use);
  }
  void fill_narrow_tile(Index input_panel) {
    if (!transposed_tiles.tiles) return;
    const Tiles to = transposed_tiles.tiles;
    split<T>({narrow(input_panel), kLanes<T>}, {}, to.at(input_panel, to.steps - 1));
  }

 private:
  T* narrow(Index input_panel, Index output) const {
    return transposed.panels.at(input_panel, output - skipped_);
  }

  Layout layout_;
  Index skipped_;   // outputs that `transposed` does without
  Buffer<T> zero_;  // the "bias" of the input gradient
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
      multiply(x, x.columns, rows, state.tiles.tiles, whole, state.bias.data(), floor,
               y, *way.scratch, way.ahead, done);
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
      multiply(dy, state.whole, rows, state.transposed_tiles.tiles, {0, dx.count()},
               state.zero(), finish, dx, *way.scratch, way.ahead, done);
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
