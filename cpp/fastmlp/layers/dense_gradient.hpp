// The weight gradient of a Dense layer, by units and by pieces of rows.
#pragma once

#include "dense.hpp"

namespace fastmlp {

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

  // Its gradient as it is summed: [output panel][input][output lane] or, of the last
  // few outputs, [input panel][output][input lane]; and the biases' behind that, if it
  // is the one of its outputs that has the first inputs.
  bool has_biases() const { return inputs.begin == 0; }
  template <class T>
  Index panel_size() const {
    return inputs.size() * kLanes<T> * (narrow > 0 ? narrow : kLanes<T>);
  }
  template <class T>
  Index weights_size() const {
    return outputs.size() * panel_size<T>();
  }
  template <class T>
  Index size() const {
    return weights_size<T>() + (has_biases() ? outputs.size() * kLanes<T> : 0);
  }
};

inline constexpr Index kUnitInputs = 6;  // panels; its gradient block stays in L1
// In tiles more: a large layer's deltas come from the third cache for each part of the
// inputs.
inline constexpr Index kTiledUnitInputs = 8;
inline constexpr Index kMostParts = 4;  // of the inputs, for the threads' sake

// No unit's gradient is larger.
template <class T>
inline constexpr Index kUnitSize =
    ((kUsesTiles<T> ? kTiledUnitInputs : kUnitInputs) * kLanes<T> + 1) *
    Tile<T>::panels * kLanes<T>;

// Into how many even parts of panels the inputs of a layer are cut at least.
template <class T>
Index input_parts(Index in_features, Index unit_inputs = kUnitInputs) {
  return divide_up(divide_up(in_features, kLanes<T>), unit_inputs);
}

// Calls f(unit) for all units of a layer, in a fixed order: the same inputs for all
// outputs, where the inputs are larger than a cache.
template <class T, class F>
void each_dense_unit(const Dense& layer, bool is_tiled, F&& f) {
  const Index inputs = divide_up(layer.in_features, kLanes<T>);
  const Index narrow = narrow_outputs<T>(layer.out_features);
  const Index whole = divide_up(layer.out_features - narrow, kLanes<T>);
  const Index needed =
      input_parts<T>(layer.in_features, is_tiled ? kTiledUnitInputs : kUnitInputs);
  // Up to four parts, of two panels or more, so that threads find equal work; the last
  // few outputs are too little to share.
  const Index parts = std::max(needed, std::min(kMostParts, inputs / 2));
  for (Index i = 0; i < parts; ++i) {
    const Range part = input_part<T>(inputs, parts, i);
    for (Index j = 0; j < whole; j += Tile<T>::panels)
      f(DenseUnit{part, {j, std::min(whole, j + Tile<T>::panels)}});
    if (narrow > 0 && i < needed)
      f(DenseUnit{input_part<T>(inputs, needed, i), {whole, whole + 1}, narrow});
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

// Rows of a gradient that are summed in one go: the deltas of one register tile stay in
// L1.
struct GradientPiece {
  Range rows;
  Range blocks;  // of which they consist
  bool adds;     // to what came before them
};

// The same as tiles, if that is how they are multiplied, beginning with the unit's.
struct GradientTiles {
  Tiles x, dy;
  Index groups = 0;  // of rows
};

template <int P, class T>
void sum_whole(const DenseUnit& unit, Panels<T> x, Panels<T> dy,
               const GradientPiece& piece, T* sums, Ahead& ahead) {
  constexpr Index L = kLanes<T>;
  for (Index i = unit.inputs.begin; i < unit.inputs.end; ++i)
    weight_gradient<P>(x, i, dy, unit.outputs.begin, piece.rows, piece.adds,
                       sums + (i - unit.inputs.begin) * L * L, unit.panel_size<T>(),
                       ahead);
}

// A piece of a unit's gradient from tiles of some groups of rows.
template <class T>
void sum_tiles(const DenseUnit& unit, Tiles x, Tiles dy, Index groups, bool adds,
               T* sums, Ahead& ahead) {
  const Index size = unit.weights_size<T>();
  alignas(kAlignment) T scratch[kUnitSize<T>];
  T* const to = adds ? scratch : sums;
  // Four at a time: most of the deltas stay in L1 from some inputs to the next.
  each_piece({0, groups}, 4, [&](Range some) {
    multiply_tiles<kLinesWithGradient>(x.from(0, some.begin), unit.inputs.size(),
                                       dy.from(0, some.begin), unit.outputs.size(),
                                       some.size(), some.begin > 0, to,
                                       unit.panel_size<T>(), ahead);
  });
  if (!adds) return;
  for (Index i = 0; i < size; i += Vec<T>::size)
    (Vec<T>::load(sums + i) + Vec<T>::load(scratch + i)).store(sums + i);
}

// The blocks' sums for a unit's inputs, added up: [panel of inputs][output][lane].
template <class T>
void add_blocks(const DenseUnit& unit, Panels<T> block_sums, const GradientPiece& piece,
                T* sums) {
  for (Index i = unit.inputs.begin; i < unit.inputs.end; ++i) {
    for (Index c = 0; c < unit.narrow; ++c, sums += kLanes<T>) {
      sum_rows<T>(piece.blocks.size(), piece.adds, sums, [&](Index block, int v) {
        return Vec<T>::load(
            block_sums.at(i, (piece.blocks.begin + block) * unit.narrow + c) +
            v * Vec<T>::size);
      });
    }
  }
}

// A piece of a unit's gradient. A layer of nothing but a few outputs has `block_sums`
// where there is an input gradient.
template <class T>
void sum_gradient(const DenseUnit& unit, Panels<T> x, Panels<T> dy,
                  Panels<T> block_sums, const GradientTiles& tiles,
                  const GradientPiece& piece, T* sums, Ahead& ahead) {
  constexpr int P = Tile<T>::panels;
  const Range rows = piece.rows;
  if (tiles.x) {
    if constexpr (kUsesTiles<T>)
      sum_tiles(unit, tiles.x, tiles.dy, tiles.groups, piece.adds, sums, ahead);
  } else if (block_sums) {
    add_blocks(unit, block_sums, piece, sums);
  } else if (unit.narrow > 0) {
    weight_gradient_narrow(x, unit.inputs, dy.at(unit.outputs.begin, rows.begin),
                           unit.narrow, rows, piece.adds, sums, ahead);
  } else if (unit.outputs.size() == P) {
    sum_whole<P>(unit, x, dy, piece, sums, ahead);
  } else {
    sum_whole<1>(unit, x, dy, piece, sums, ahead);
  }
  if (!unit.has_biases()) return;
  sums += unit.weights_size<T>();
  for (Index j = unit.outputs.begin; j < unit.outputs.end; ++j, sums += kLanes<T>)
    sum_panel(dy, j, rows, piece.adds, sums);
}

// A unit's whole gradient to where it goes.
template <class T, class Sink>
void deliver_gradient(const DenseUnit& unit, Index in_features, T* sums, Sink&& sink) {
  constexpr Index L = kLanes<T>;
  const Range inputs{unit.inputs.begin * L, std::min(in_features, unit.inputs.end * L)};
  if (unit.narrow > 0) {
    T* panel = sums;
    for (Index i = unit.inputs.begin; i < unit.inputs.end; ++i) {
      // What lies beyond the last input is no gradient.
      const Index width = std::min(L, in_features - i * L);
      for (Index c = 0; c < unit.narrow; ++c)
        std::fill(panel + c * L + width, panel + (c + 1) * L, T(0));
      sink.narrow(i, panel);
      panel += unit.narrow * L;
    }
  } else {
    for (Index j = unit.outputs.begin; j < unit.outputs.end; ++j)
      sink.weights(inputs, j, sums + (j - unit.outputs.begin) * unit.panel_size<T>());
  }
  if (unit.has_biases()) sink.biases(unit.outputs, sums + unit.weights_size<T>());
}

}  // namespace fastmlp
