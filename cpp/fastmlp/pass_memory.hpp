// What a pass keeps, for pass.cpp: where layers share memory.
#pragma once

#include "pass.hpp"

namespace fastmlp {

template <class T>
Pass<T>::Pass(const Network& network, Index capacity, Purpose purpose,
              std::optional<Index> pieces_at_a_time, bool is_sparse)
    : network_(network),
      pieces_at_a_time_(pieces_at_a_time),
      capacity_(pieces_at_a_time ? std::min(capacity, *pieces_at_a_time * kPieceRows)
                                 : capacity),
      block_rows_(most_block_rows(capacity)),
      is_sparse_(is_sparse),
      last_gradient_(purpose == Purpose::gradients_of_input_too
                         ? 0
                         : network.first_trainable() + 1),
      unwritten_(purpose == Purpose::inference ? Fill::anything : Fill::zeros),
      works_(static_cast<std::size_t>(network.size())) {
  // Two threads keep to their own halves where sums are exchanged, but a core that
  // comes to the end of its rows fetches what follows them, and would take those lines
  // from the other core; not those of another page, though.
  constexpr Index page_rows = 4096 / kAlignment;
  if (purpose == Purpose::gradients && exchanges_sums(network, capacity))
    apart_ = page_rows;
  allocate_outputs(purpose != Purpose::inference);
  if (purpose == Purpose::inference) return;
  allocate_gradients();
  if (is_sparse_)
    entries_.emplace(network.in_features(), input_parts<T>(network.in_features()),
                     row_blocks(capacity_));
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
      work(l).batch =
          BatchStatistics<T>(BatchNormState<T>::padded(*norm), row_blocks(capacity_));
    const bool keeps =
        network_.get<Dropout>(l) || (activation && needs_slope(*activation));
    if (gradients && keeps) work(l).rows.slope = allocate_rows(x.columns);
  }
}

// All layers but Dense turn dy into dx in place.
template <class T>
void Pass<T>::allocate_gradients() {
  Panels<T> dy = allocate_rows(network_.out_features());
  for (Index l = network_.size() - 1; l >= 0; --l) {
    work(l).rows.dy = dy;
    const auto* dense = network_.get<Dense>(l);
    if (dense)
      dy = l >= last_gradient_ ? allocate_rows(network_.width(l)) : Panels<T>{};
    work(l).rows.dx = dy;
    if (!dy) break;
    if (dense && is_narrow<T>(*dense))
      work(l).block_sums =
          allocate(row_blocks(capacity_) * dense->out_features, dense->in_features);
  }
}

}  // namespace fastmlp
