// How a batch's work is cut: row blocks, and the units and pieces of the gradient.
#pragma once

#include <vector>

#include "network.hpp"
#include "parallel.hpp"

namespace fastmlp {

// A batch is cut into row blocks by its size alone; blocks go to threads as a whole.
// Every block reads all weights again, so they are larger where enough of them are left
// for many threads (large weights: 4 % of a training's time). Never more for fewer
// rows: the last batch of an epoch uses the arrays of the others.
constexpr Index row_blocks(Index rows) {
  constexpr Index undivided = 40;
  const Index block = std::clamp<Index>(divide_up(rows, 8), 64, 128);
  return rows <= undivided ? 1 : 2 * divide_up(rows, 2 * block);
}

// Whether two threads had better sum the weights' gradient of their own rows and
// exchange sums than read each other's rows: where that is less. By shapes alone.
bool exchanges_sums(const Network& network, Index rows);

// The weights' gradient is summed by pieces, each of some row blocks, that are added up
// in their order: both halves of a batch where sums are exchanged, else some 320 rows
// each.
Index gradient_pieces(const Network& network, Index rows);

// A part of the gradient that one thread computes: of a Dense layer, or a batch
// norm's.
struct GradientUnit {
  Index layer;
  DenseUnit dense;  // not used by a batch norm
};

// The gradient's units, in a fixed order.
template <class T>
std::vector<GradientUnit> gradient_units(const Network& network);

// How many threads, up to `wanted`, are worth having for the gradient of so many rows:
// they share row blocks first, then units.
template <class T>
int gradient_threads(const Network& network, Index rows, int wanted);

}  // namespace fastmlp
