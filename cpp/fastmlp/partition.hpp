// How a batch's work is cut: row blocks, and the units and pieces of the gradient, with
// memory for their sums.
#pragma once

#include <vector>

#include "network.hpp"
#include "parallel.hpp"

namespace fastmlp {

// A batch is cut into row blocks by shapes alone (in whole groups of 32 where layers
// take tiles); blocks go to threads as a whole.
// Every block reads all weights again, so they are larger where enough of them are left
// for many threads (large weights: 4 % of a training's time). Never more for fewer
// rows: the last batch of an epoch uses the arrays of the others.
inline constexpr Index kMostBlockRows = 128;
constexpr Index most_block_rows(Index rows) {
  return std::clamp<Index>(divide_up(rows, 8), 64, kMostBlockRows);
}
Index row_blocks(const Network& network, Index rows);

// Most rows of the blocks that a thread takes together. Alone: weights are read, and
// layers entered, half as often as with blocks of 64 (1 % of the time). In tiles: to
// take the weights apart is a tenth of a product of so many rows.
inline constexpr Index kMostRowsAlone = 128;
inline constexpr Index kMostRowsInTiles = 256;
static_assert(kMostRowsAlone >= kMostBlockRows && kMostRowsInTiles >= kMostBlockRows);

// Whether threads had better sum the weights' gradient of their own rows and exchange
// sums than read each other's rows: where that is less. By shapes alone. With batch
// norm, many rows would leave as many sums. Few rows are near a thread that is alone.
bool exchanges_sums(const Network& network, Index rows);

// The weights' gradient is summed by pieces, which are added up in their order: all of
// a small batch, its halves or, of many rows, every two blocks.
Index gradient_pieces(const Network& network, Index rows);

// No piece has more rows.
inline constexpr Index kPieceRows = 320;  // deltas of one tile stay in L1

// The layers, by number, for which a matrix unit takes less time than registers: large
// ones and many rows, since operands must be taken apart first, and rows are padded.
// By shapes, what follows a layer, and whether the input is taken sparse.
template <class T>
std::vector<bool> tiled_layers(const Network& network, Index rows, bool is_sparse);

// How many of a batch's pieces go through the network, and into the gradient's sums,
// before the others: as many as stay near the cores or, if that is more, as make the
// sums worth it, but as many for each thread. A batch norm wants all rows at once.
template <class T>
Index pieces_at_a_time(const Network& network, Index rows, int n_threads);

// A part of the gradient that one thread computes: of a Dense layer, or a batch
// norm's.
struct GradientUnit {
  Index layer;
  DenseUnit dense;  // not used by a batch norm
};

// The gradient's units, in a fixed order. Of layers that are `tiled`, by number, they
// are larger.
template <class T>
std::vector<GradientUnit> gradient_units(const Network& network,
                                         const std::vector<bool>& tiled = {});

// Memory for the gradient of all units.
template <class T>
class UnitSums {
 public:
  explicit UnitSums(const std::vector<GradientUnit>& units) {
    Index size = 0;
    for (const GradientUnit& unit : units) {
      offset_.push_back(size);
      size += unit.dense.template size<T>();
    }
    memory_ = Buffer<T>(size);
  }
  T* of(std::size_t unit) const { return memory_.data() + offset_[unit]; }

 private:
  Buffer<T> memory_;
  std::vector<Index> offset_;
};

// How many threads, up to `wanted`, are worth having for the gradient of so many rows:
// they share row blocks first, then units.
template <class T>
int gradient_threads(const Network& network, Index rows, int wanted);

}  // namespace fastmlp
