// What a pass keeps, for pass.cpp: where layers share memory, and operands in tiles.
#pragma once

#include <algorithm>

#include "pass.hpp"

namespace fastmlp {

template <class T>
Pass<T>::Pass(const Network& network, Index capacity, Purpose purpose,
              std::optional<Index> pieces_at_a_time, bool is_sparse,
              const std::vector<bool>& tiled, int n_threads)
    : network_(network),
      pieces_at_a_time_(pieces_at_a_time),
      together_(std::ranges::count(tiled, true) > 0 ? kTileRows : 1),
      capacity_(capacity),
      block_rows_(round_up(most_block_rows(capacity), together_)),
      is_sparse_(is_sparse),
      last_gradient_(purpose == Purpose::gradients_of_input_too
                         ? 0
                         : network.first_trainable() + 1),
      unwritten_(purpose == Purpose::inference ? Fill::anything : Fill::zeros),
      works_(static_cast<std::size_t>(network.size())) {
  if (pieces_at_a_time) capacity_ = std::min(capacity, *pieces_at_a_time * kPieceRows);
  // Two threads keep to their own halves where sums are exchanged, but a core that
  // comes to the end of its rows fetches what follows them, and would take those lines
  // from the other core; not those of another page, though.
  constexpr Index page_rows = kPage / kAlignment;
  if (purpose == Purpose::gradients && exchanges_sums(network, capacity))
    apart_ = page_rows;
  allocate_outputs(purpose != Purpose::inference);
  if (purpose == Purpose::inference) return;
  allocate_gradients();
  if (is_sparse_)
    entries_.emplace(network.in_features(), input_parts<T>(network.in_features()),
                     row_blocks(network, capacity_));
  if (together_ > 1) allocate_tiles(tiled, n_threads);
}

template <class T>
Panels<T> Pass<T>::allocate(Index rows, Index columns) {
  memory_.push_back(PanelBuffer<T>(rows, columns, unwritten_));
  return memory_.back().panels;
}

// An activation works in place where the layer before it does not need its own output.
template <class T>
void Pass<T>::allocate_outputs(bool gradients) {
  if (!is_sparse_) input_ = allocate_rows(network_.in_features());
  Panels<T> x = input_;
  for (Index l = 0; l < network_.size(); ++l) {
    const auto* activation = network_.get<Activation>(l);
    const bool in_place = activation && l > 0 && !network_.get<Activation>(l - 1);
    work(l).rows.x = x;
    work(l).rows.y = in_place ? x : allocate_rows(network_.width(l + 1));
    x = work(l).rows.y;
    if (const auto* norm = network_.get<BatchNorm>(l))
      work(l).batch = BatchStatistics<T>(BatchNormState<T>::padded(*norm),
                                         row_blocks(network_, capacity_));
    const bool keeps =
        network_.get<Dropout>(l) || (activation && needs_slope(*activation));
    if (gradients && keeps) work(l).rows.slope = allocate_rows(x.columns);
  }
}

// Whether a layer's dx takes the place of its x: one of nothing but a few outputs sums
// its weights' gradient while it computes dx, and nobody reads x after that. Less
// memory is touched, and what is, changes in the cache (50-100-1 with 200 rows: 2 to 4
// % of the time). Not where the way back goes down to the network's input: users may
// take it twice.
template <class T>
bool Pass<T>::overwrites_input(const Dense& layer) const {
  return is_narrow<T>(layer) && last_gradient_ > 0;
}

// All layers but Dense turn dy into dx in place.
template <class T>
void Pass<T>::allocate_gradients() {
  Panels<T> dy = allocate_rows(network_.out_features());
  for (Index l = network_.size() - 1; l >= 0; --l) {
    work(l).rows.dy = dy;
    const auto* dense = network_.get<Dense>(l);
    if (dense && l < last_gradient_) {
      dy = {};
    } else if (dense) {
      dy = overwrites_input(*dense) ? work(l).rows.x : allocate_rows(network_.width(l));
    }
    work(l).rows.dx = dy;
    if (!dy) break;
    if (dense && is_narrow<T>(*dense))
      work(l).block_sums = allocate(
          row_blocks(network_, capacity_) * dense->out_features, dense->in_features);
  }
}

template <class T>
void Pass<T>::allocate_tiles(const std::vector<bool>& tiled, int n_threads) {
  const Index groups = divide_up(capacity_, kTileRows);
  Index steps = 0;
  for (Index l = 0; l < network_.size(); ++l) {
    if (!tiled[static_cast<std::size_t>(l)]) continue;
    const Dense& dense = *network_.get<Dense>(l);
    const Index whole = whole_outputs<T>(dense);
    tile_memory_.emplace_back(divide_up(whole, kLanes<T>), groups);
    work(l).dy_tiles = tile_memory_.back().tiles;
    steps = std::max({steps, tile_steps<T>(dense.in_features, dense.in_features),
                      tile_steps<T>(dense.out_features, whole)});
  }
  for (int i = 0; i < n_threads; ++i)
    tile_scratch_.emplace_back(kMostRowsInTiles, steps, kTiledUnitInputs * groups);
}

// Once a block is back, while its rows are near.
template <class T>
void Pass<T>::fill_tiles(Range rows) {
  if constexpr (kUsesTiles<T>) {
    if (!uses_tiles()) return;
    for (Index l = 0; l < network_.size(); ++l) {
      const LayerWork<T>& w = work(l);
      if (!w.dy_tiles) continue;
      const Range outputs{
          0, divide_up(parameters_->template get<DenseState<T>>(l).whole, kLanes<T>)};
      split_panels<false>(layer_rows(l, rows).dy, outputs, rows,
                          w.dy_tiles.from(0, group_of(rows)));
    }
  }
}

// A unit's inputs of some blocks.
template <class T>
Tiles Pass<T>::strip_of(const GradientUnit& unit, Range blocks, Strip& strip) const {
  const Range inputs = unit.dense.inputs;
  const Range all = rows_of(blocks);
  const Tiles tiles{strip.memory.data(), divide_up(all.size(), kTileRows)};
  if constexpr (kUsesTiles<T>) {
    if (strip.layer == unit.layer && strip.inputs == inputs && strip.rows == all)
      return tiles;
    strip.layer = unit.layer;
    strip.inputs = inputs;
    strip.rows = all;
    for (Index block = blocks.begin; block < blocks.end; ++block) {
      const Range rows = rows_of_block(block);
      split_panels<true>(layer_rows(unit.layer, rows).x, inputs, rows,
                         tiles.from(0, group_of(rows) - group_of(all)));
    }
  }
  return tiles;
}

}  // namespace fastmlp
