// The layers a network is made of, and what each keeps: the variant is the registry.
#pragma once

#include "../activations.hpp"
#include "batch_norm.hpp"
#include "dense_gradient.hpp"
#include "dropout.hpp"

namespace fastmlp {

using Layer = std::variant<Dense, BatchNorm, Dropout, Activation>;

// A layer's parameters, packed; nothing for a layer without any.
template <class T>
using LayerState = std::variant<std::monostate, DenseState<T>, BatchNormState<T>>;

// What a layer keeps of every row.
template <class T>
struct LayerRows {
  Panels<T> x, y;    // input and output; the same memory where in place
  Panels<T> dx, dy;  // their gradients; empty where not asked for
  Panels<T> slope;   // dy/dx of an elementwise layer that keeps it
};

// A layer's part of a workspace, for all rows of a batch.
template <class T>
struct LayerWork {
  LayerRows<T> rows;
  Panels<T> block_sums;      // see dense_backward_few
  Tiles dy_tiles;            // for the weight gradient
  BatchStatistics<T> batch;  // of a batch norm
};

}  // namespace fastmlp
