// The second phase of a trainer's step, for trainer.cpp: the weights' gradient, and
// their update.
#pragma once

#include <algorithm>

#include "trainer.hpp"

namespace fastmlp {

// Where sums are exchanged, threads first sum what their own rows give, which they have
// at hand. The last part's end is the update.
template <class T>
void Trainer<T>::weights_phase(const Member& member) {
  const UsingTiles<T> unit_in_use(pass_.uses_tiles());
  TileScratch* const tiles = pass_.begin_gradient(member);
  T* const scratch = gradient_scratch_[static_cast<std::size_t>(member.index)].data();
  const auto share = [&](int i) { return share_of_units(1, i, member.size); };
  const bool in_one_part = pass_.is_first_part() && pass_.is_last_part();
  const bool exchanges = member.size > 1 && pass_.exchanges();
  if (exchanges) sum_pieces(member, share(member.index), tiles);
  member.each_of_parts(share, [&](Index u) {
    const auto unit = static_cast<std::size_t>(u);
    T* const sums = in_one_part ? scratch : sums_so_far_->of(unit);
    if (exchanges) {
      add_pieces(unit, sums);
    } else if (network_.get<Dense>(units_[unit].layer)) {
      Way<T> way{Ahead(), tiles};
      expect_around(unit, {0, pass_.pieces()}, pass_.is_last_part(), way.ahead);
      pass_.sum_gradient(units_[unit], sums, way);
    }
    if (pass_.is_last_part()) unit_norm_[unit] = update(unit, sums);
  });
}

// All units of all pieces, while the member asks for what it will update: `mine`.
template <class T>
void Trainer<T>::sum_pieces(const Member& member, Range mine, TileScratch* tiles) {
  const auto units = static_cast<Index>(units_.size());
  const auto share = [&](int i) {
    return share_of_units(pass_.pieces(), i, member.size);
  };
  member.each_of_parts(share, [&](Index i) {
    const auto unit = static_cast<std::size_t>(i % units);
    if (!network_.get<Dense>(units_[unit].layer)) return;
    const Index piece = i / units;
    Way<T> way{Ahead(), tiles};
    const bool updates = pass_.is_last_part() && mine.contains(i % units);
    expect_around(unit, {piece, piece + 1}, updates, way.ahead);
    pass_.sum_piece(units_[unit], piece, false, piece_sums(piece).of(unit), way);
  });
  member.barrier([] {});
}

// In the order in which one thread adds them.
template <class T>
void Trainer<T>::add_pieces(std::size_t unit, T* sums) const {
  const Index size = units_[unit].dense.template size<T>();
  Index piece = 0;
  if (pass_.is_first_part()) std::copy_n(piece_sums(piece++).of(unit), size, sums);
  for (; piece < pass_.pieces(); ++piece) {
    const T* more = piece_sums(piece).of(unit);
    for (Index i = 0; i < size; i += Vec<T>::size)
      (Vec<T>::load(sums + i) + Vec<T>::load(more + i)).store(sums + i);
  }
}

template <class T>
Range Trainer<T>::share_of_units(Index times, int member, int members) const {
  const auto boundary = [&](int i) {
    const double all = cost_before_.back();
    // So many times all units, and then up to here.
    double cost = all * static_cast<double>(times * i) / members;
    const auto whole = static_cast<Index>(cost / all);
    cost -= static_cast<double>(whole) * all;
    const auto after = std::lower_bound(cost_before_.begin(), cost_before_.end(), cost);
    const bool nearer =
        after != cost_before_.begin() && cost - *(after - 1) < *after - cost;
    return whole * static_cast<Index>(units_.size()) +
           (after - cost_before_.begin() - (nearer ? 1 : 0));
  };
  return {boundary(member), boundary(member + 1)};
}

template <class T>
double Trainer<T>::update(std::size_t number, T* sums) {
  const Index layer = units_[number].layer;
  return std::visit(
      [&](const auto& rule) {
        if (network_.get<Dense>(layer)) return update_dense(number, rule, sums);
        update_batch_norm(layer, rule);
        return 0.0;
      },
      rule_);
}

// The optimizer's state for one layer, by slot.
template <class State, class Rule, class T>
static std::array<State*, Rule::slots> layer_states(OptimizerState<T>& state,
                                                    Index layer, const Rule&) {
  std::array<State*, Rule::slots> states;
  for (std::size_t slot = 0; slot < states.size(); ++slot)
    states[slot] = &state.slot(slot).template get<State>(layer);
  return states;
}

// What `part` finds in each of them.
template <class State, std::size_t N, class Part>
static auto parts(const std::array<State*, N>& states, Part&& part) {
  std::array<decltype(part(*states[0])), N> found;
  for (std::size_t i = 0; i < N; ++i) found[i] = part(*states[i]);
  return found;
}

// What will be read and written soon while some pieces of a unit's gradient are summed:
// the pieces after the first, and what comes then.
template <class T>
void Trainer<T>::expect_around(std::size_t number, Range pieces, bool updates,
                               Ahead& ahead) const {
  const bool is_tiled = pass_.is_tiled(units_[number].layer);
  if (weights_are_far_ && !is_tiled)
    expect_next_unit(number, pass_.rows_of_piece(pieces.begin), ahead);
  if (updates && (weights_are_far_ || n_threads_ > 1)) expect_updated(number, ahead);
  const auto& [layer, dense] = units_[number];
  if (!weights_are_far_ || is_tiled || pass_.has_block_sums(layer)) return;
  constexpr Index most = 16;  // for which there is room
  Index piece = std::min(pieces.end, pieces.begin + most);
  while (--piece > pieces.begin) {
    const Range rows = pass_.rows_of_piece(piece);
    expect(pass_.layer_rows(layer, rows).dy, dense.outputs, rows, ahead);
  }
}

// The first rows that the next unit's gradient reads.
template <class T>
void Trainer<T>::expect_next_unit(std::size_t number, Range first, Ahead& ahead) const {
  if (number + 1 == units_.size()) return;
  const auto& [layer, dense] = units_[number];
  const auto& [next_layer, next] = units_[number + 1];
  if (network_.get<BatchNorm>(next_layer) || pass_.has_block_sums(next_layer)) return;
  const LayerRows<T> work = pass_.layer_rows(next_layer, first);
  expect(work.dy, next.outputs, first, ahead);
  if (!work.x) return;  // sparse
  if (next_layer != layer || next.inputs.begin != dense.inputs.begin)
    expect(work.x, next.inputs, first, ahead);
}

// What a unit's update changes (the last few outputs' is little): the weights, which
// other threads have read, and what only one thread ever needs.
template <class T>
void Trainer<T>::expect_updated(std::size_t number, Ahead& ahead) const {
  using State = DenseState<T>;
  constexpr Index L = kLanes<T>;
  const auto& [layer, dense] = units_[number];
  if (dense.narrow > 0) return;
  const Range inputs{dense.inputs.begin * L, dense.inputs.end * L};
  const Range outputs{dense.outputs.begin * L, dense.outputs.end * L};
  const State& weights = parameters_.template get<State>(layer);
  const Use use = n_threads_ > 1 ? Use::change : Use::read;
  if (weights.has_transposed())
    expect(weights.transposed.panels, dense.inputs, outputs, ahead, use);
  if (weights_are_far_) {
    for (int k = 0; k < slots(optimizer_); ++k) {
      const State& slot =
          state_.slot(static_cast<std::size_t>(k)).template get<State>(layer);
      expect(slot.weight.panels, dense.outputs, inputs, ahead);
    }
  }
  expect(weights.weight.panels, dense.outputs, inputs, ahead, use);
}

// Each block of the gradient is used up in L1.
template <class T>
template <class Rule>
double Trainer<T>::update_dense(std::size_t number, const Rule& rule, T* sums) {
  using State = DenseState<T>;
  constexpr Index L = kLanes<T>;
  const Index layer = units_[number].layer;
  const DenseUnit& unit = units_[number].dense;
  State& dense = parameters_.template get<State>(layer);
  const GradientForm<T> penalized{scale_, static_cast<T>(settings_.alpha)};
  const auto states = layer_states<State>(state_, layer, rule);
  Vec<T> squares(0);
  const auto apply = [&](GradientForm<T> form, Index n, auto&& part,
                         const T* gradient) {
    fastmlp::update(rule, form, n, part(dense), gradient, parts(states, part), squares);
  };
  const auto weights = [&](Range inputs, Index j, const T* gradient) {
    const auto rows = [&](const State& s) {
      return s.weight.panels.at(j, inputs.begin);
    };
    apply(penalized, inputs.size() * L, rows, gradient);
    if (!dense.has_transposed()) return;
    for (Index i = inputs.begin; i < inputs.end; i += L)
      transpose_block(dense.weight.panels.at(j, i),
                      dense.transposed.panels.at(i / L, j * L));
  };
  const auto narrow = [&](Index i, const T* gradient) {
    const auto block = [&](const State& s) { return s.narrow(i); };
    apply(penalized, unit.narrow * L, block, gradient);
  };
  const auto biases = [&](Range panels, const T* gradient) {
    const auto lanes = [&](const State& s) { return s.bias.data() + panels.begin * L; };
    apply({scale_}, panels.size() * L, lanes, gradient);
  };
  deliver_gradient(unit, network_.width(layer), sums,
                   GradientSink{weights, narrow, biases});
  return static_cast<double>(sum(squares));
}

template <class T>
template <class Rule>
void Trainer<T>::update_batch_norm(Index layer, const Rule& rule) {
  using State = BatchNormState<T>;
  State& norm = parameters_.template get<State>(layer);
  const BatchStatistics<T>& batch = pass_.batch(layer);
  const auto scale = [](const State& s) { return s.scale.data(); };
  const auto shift = [](const State& s) { return s.shift.data(); };
  const auto states = layer_states<State>(state_, layer, rule);
  const GradientForm<T> form{scale_};
  Vec<T> squares(0);  // stays so: there is no penalty
  fastmlp::update(rule, form, batch.features, scale(norm), batch.scale_gradient.data(),
                  parts(states, scale), squares);
  fastmlp::update(rule, form, batch.features, shift(norm), batch.shift_gradient.data(),
                  parts(states, shift), squares);
}

}  // namespace fastmlp
