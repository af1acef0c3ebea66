// Which layers are taken in one go, and what waits for a whole batch.
#include "pass_memory.hpp"

namespace fastmlp {

template <class T>
void Pass<T>::begin(const PassSettings<T>& settings, const Parameters<T>& parameters,
                    const RowSource& source) {
  settings_ = settings;
  source_ = source;
  parameters_ = &parameters;
  // A last batch might where the others do not: then it does not either.
  exchanges_ = apart_ > 0 && exchanges_sums(network_, settings.rows);
  // It may also be a single group of rows that stay together.
  batch_blocks_ = settings.rows <= together_ ? 1 : row_blocks(network_, settings.rows);
  batch_pieces_ = gradient_pieces(network_, settings.rows);
  parts_ = pieces_at_a_time_ ? divide_up(batch_pieces_, *pieces_at_a_time_) : 1;
  begin_part(0);
  abandoned_ = false;
  if (settings.training) return;
  for (const Index l : network_.batch_norms())
    batch_norm_use_running(*network_.get<BatchNorm>(l),
                           parameters.template get<BatchNormState<T>>(l),
                           work(l).batch);
}

template <class T>
void Pass<T>::begin_part(Index part) {
  part_ = part;
  const Index at_a_time = pieces_at_a_time_.value_or(batch_pieces_);
  pieces_ = {part * at_a_time, std::min(batch_pieces_, (part + 1) * at_a_time)};
  blocks_ = {blocks_of_piece(0).begin, blocks_of_piece(pieces() - 1).end};
  rows_ = rows_of(blocks_);
  eigen_assert(rows_.size() <= capacity_);
  const Index first_half = divide_up(pieces(), 2);
  second_half_ =
      exchanges_ && first_half < pieces() ? rows_of_piece(first_half).begin : rows_.end;
  blocks_before_gap_ =
      second_half_ < rows_.end ? blocks_of_piece(first_half).begin - blocks_.begin : 0;
}

template <class T>
bool Pass<T>::next_part() {
  if (is_last_part()) return false;
  begin_part(part_ + 1);
  return true;
}

template <class T>
void Pass<T>::commit(Parameters<T>& parameters) const {
  for (const Index l : network_.batch_norms())
    batch_norm_commit(*network_.get<BatchNorm>(l), work(l).batch,
                      parameters.template get<BatchNormState<T>>(l));
}

template <class T>
Range Pass<T>::rows_after(const Member& member, const RowBlocks& blocks) const {
  const Range mine = even_part(blocks_.size(), member.size, member.index);
  const Index size = blocks_at_once(member);
  const bool is_last = blocks.numbers.end == blocks_.begin + mine.end;
  const Index next = is_last ? blocks_.end + mine.begin : blocks.numbers.end;
  const auto from = [&](Index block) {
    const Index end = block < blocks_.end ? blocks_.end : batch_blocks_;
    return rows_of({block, std::min(end, block + size)});
  };
  if (next < batch_blocks_) return from(next);
  const Range first = from(mine.begin);
  return {settings_.rows + first.begin, settings_.rows + first.end};
}

template <class T>
void Pass<T>::forward_rows(Index from, Index to, Range rows, Way<T>& way) {
  for (Index l = from; l < to;) l = forward_layer(l, to, rows, {}, way);
}

template <class T>
bool Pass<T>::take_in(const RowSource& source, const Parameters<T>& parameters,
                      bool check_finite) {
  const auto& [x, order, n, known] = source;
  begin({n}, parameters, source);
  if (is_sparse_) return !check_finite || is_finite<T>(sparse_rows(), n);
  // A Dense layer reads rows in place that follow one another; others are gathered.
  in_place_ = !order && network_.get<Dense>(0) ? as_row_major<T>(x) : std::nullopt;
  if (in_place_) return !check_finite || is_finite(*in_place_, n);
  if (check_finite) return gather_finite(x, order, {0, n}, known, input_);
  gather(x, order, {0, n}, known, input_);
  return true;
}

template <class T>
void Pass<T>::infer(const Member& member) {
  const auto& [x, order, n, known] = source_;
  const Range rows{0, n};
  Way<T> way;
  if (in_place_ || has_long_rows(x))
    expect_rows(x, order, {n, std::min(2 * n, known)}, way.ahead);
  const Share share{member.index, member.size};
  for (Index l = 0; l < network_.size();) {
    if (l > 0) member.barrier([] {});
    l = l == 0 && in_place_
            ? forward_dense(l, network_.size(), *in_place_, rows, share, way)
            : forward_layer(l, network_.size(), rows, share, way);
  }
  if (output(rows).count() > 1) member.barrier([] {});  // a single panel is member 0's
}

namespace {

// f(activation) with the activation at layer `l`, or with Identity where there is none.
template <class F>
void with_activation(const Network& network, Index l, Index end, F&& f) {
  const auto* activation = l < end && l >= 0 ? network.get<Activation>(l) : nullptr;
  if (activation) {
    std::visit(f, *activation);
  } else {
    f(Identity{});
  }
}

}  // namespace

// Both return the layer to go on with: an activation is taken along with the layer
// before it, panel by panel while the panel is in cache.
template <class T>
Index Pass<T>::forward_layer(Index l, Index to, Range rows, Share share, Way<T>& way) {
  const LayerRows<T> w = layer_rows(l, rows);
  if (l == 0 && is_sparse_)
    return forward_dense(l, to, sparse_rows(), rows, share, way);
  if (network_.get<Dense>(l)) return forward_dense(l, to, w.x, rows, share, way);
  const Range panels = share.of(w.y.count());
  const Index next = last_taken_along(l, to);
  const Panels<T> slope = placed(work(next).rows.slope, rows);
  if (network_.get<BatchNorm>(l)) {
    const auto& state = parameters_->template get<BatchNormState<T>>(l);
    with_activation(network_, l + 1, to, [&](const auto& f) {
      for (Index p = panels.begin; p < panels.end; ++p) {
        batch_norm_forward(state, work(l).batch, w.x, w.y, p, rows);
        activate(f, w.y, w.y, slope, p, rows);
      }
    });
    return next + 1;
  }
  if (const auto* dropout = network_.get<Dropout>(l)) {
    if (settings_.training) {  // never shared by layer
      const DropoutKey key{settings_.seed, settings_.step,
                           static_cast<std::uint32_t>(l)};
      dropout_forward(*dropout, key, w.x, w.y, w.slope, rows);
    } else {
      dropout_inference(w.x, w.y, panels, rows);
    }
    return l + 1;
  }
  with_activation(network_, l, to, [&](const auto& f) {
    for (Index p = panels.begin; p < panels.end; ++p)
      activate(f, w.x, w.y, w.slope, p, rows);
  });
  return l + 1;
}

template <class T>
template <class Matrix>
Index Pass<T>::forward_dense(Index l, Index to, const Matrix& x, Range rows,
                             Share share, Way<T>& way) {
  const Panels<T> y = placed(work(l).rows.y, rows);
  const Range panels = share.of(y.count());
  const Index next = last_taken_along(l, to);
  const Panels<T> slope = placed(work(next).rows.slope, rows);
  const auto& state = parameters_->template get<DenseState<T>>(l);
  with_activation(network_, l + 1, to, [&]<class F>(const F& f) {
    if constexpr (is_floor<F>) {
      dense_forward(state, x, y, panels, rows, Floor<T>{F::least}, way,
                    [](Index, Range) {});
    } else {
      dense_forward(state, x, y, panels, rows, Floor<T>{}, way,
                    [&](Index p, Range some) { activate(f, y, y, slope, p, some); });
    }
  });
  return next + 1;
}

// The activation after layer `l`, which is taken along, or `l` where there is none.
template <class T>
Index Pass<T>::last_taken_along(Index l, Index to) const {
  return l + 1 < to && network_.get<Activation>(l + 1) ? l + 1 : l;
}

// Layers from - 1 down to `to`.
template <class T>
void Pass<T>::backward_rows(Index from, Index to, const RowBlocks& blocks,
                            Way<T>& way) {
  for (Index l = from - 1; l >= to;) l = backward_layer(l, to, blocks, way);
}

template <class T>
Index Pass<T>::backward_layer(Index l, Index to, const RowBlocks& blocks, Way<T>& way) {
  const Range rows = blocks.rows;
  const LayerRows<T> w = layer_rows(l, rows);
  if (network_.get<Dense>(l)) {
    const bool taken_along = l - 1 >= to && network_.get<Activation>(l - 1);
    const Index activation = taken_along ? l - 1 : -1;
    const Index next = taken_along ? l - 2 : l - 1;
    if (has_block_sums(l)) {
      // An activation below must be taken along: its output is overwritten here.
      eigen_assert(taken_along || l == 0 || !network_.get<Activation>(l - 1));
      backward_few_outputs(l, activation, blocks);
      return next;
    }
    const auto& state = parameters_->template get<DenseState<T>>(l);
    const LayerRows<T> below = layer_rows(taken_along ? l - 1 : l, rows);
    const auto back = [&](const auto& finish, auto&& done) {
      dense_backward(state, w.dy, w.dx, rows, finish, way, done);
    };
    with_activation(network_, activation, l, [&]<class F>(const F& f) {
      if constexpr (is_floor<F>) {
        back(Derivative<F, T>{f, below.y}, [](Index, Range) {});
      } else {
        back(Floor<T>{}, [&](Index p, Range some) {
          activate_backward(f, below.y, below.slope, w.dx, p, some);
        });
      }
    });
    return next;
  }
  if (network_.get<Dropout>(l)) {
    if (settings_.training) dropout_backward(w.slope, w.dy, rows);
  } else if (network_.get<Activation>(l)) {
    with_activation(network_, l, network_.size(), [&](const auto& f) {
      for (Index p = 0; p < w.dy.count(); ++p)
        activate_backward(f, w.y, w.slope, w.dy, p, rows);
    });
  } else {
    batch_norm_backward(parameters_->template get<BatchNormState<T>>(l), work(l).batch,
                        w.x, w.dy, settings_.weight, rows);
  }
  return l - 1;
}

// Together with the `activation` below, if it is not negative.
template <class T>
void Pass<T>::backward_few_outputs(Index l, Index activation, const RowBlocks& blocks) {
  const auto& state = parameters_->template get<DenseState<T>>(l);
  with_activation(network_, activation, l, [&]<class F>(const F& f) {
    each_block(blocks, [&](Index block, Range rows) {
      const LayerRows<T> w = layer_rows(l, rows);
      const Panels<T> slope =
          activation < 0 ? Panels<T>{} : layer_rows(activation, rows).slope;
      // The activation's output is this layer's input.
      const Derivative<F, T> finish{f, keeps_slope<F> ? slope : w.x};
      dense_backward_few(state, w.x, w.dy, w.dx, rows, finish, work(l).block_sums,
                         block - blocks_.begin);
    });
  });
}

// Where the way down from the `i`-th batch norm pauses: above the batch norm before it,
// whose sums over the batch come first, or at the bottom.
template <class T>
Index Pass<T>::bottom_of(std::size_t i) const {
  return i == 0 ? last_gradient_ : network_.batch_norms()[i - 1] + 1;
}

template <class T>
void Pass<T>::backward_top(const RowBlocks& blocks, Way<T>& way) {
  const auto& norms = network_.batch_norms();
  backward_rows(network_.size(), bottom_of(norms.size()), blocks, way);
  end_way(norms.size(), blocks);
}

// Where the way down pauses or ends, see bottom_of.
template <class T>
void Pass<T>::end_way(std::size_t batch_norm, const RowBlocks& blocks) {
  if (batch_norm == 0) {
    fill_tiles(blocks.rows);
    return;
  }
  const Index l = network_.batch_norms()[batch_norm - 1];
  each_block(blocks, [&](Index block, Range rows) {
    const LayerRows<T> w = layer_rows(l, rows);
    batch_norm_collect_gradient(w.x, w.dy, rows, block, work(l).batch);
  });
}

template <class T>
void Pass<T>::backward_rest(const Member& member) {
  const auto& norms = network_.batch_norms();
  for (std::size_t i = norms.size(); i-- > 0;) {
    member.barrier(
        [&] { batch_norm_combine_gradient(batch_blocks_, work(norms[i]).batch); });
    each_row_blocks(member, [&](const RowBlocks& blocks, Way<T>& way) {
      backward_rows(norms[i] + 1, bottom_of(i), blocks, way);
      end_way(i, blocks);
    });
  }
}

template <class T>
void Pass<T>::sum_piece(const GradientUnit& unit, Index piece, Range near, bool adds,
                        T* sums, Way<T>& way) const {
  const Range blocks = blocks_of_piece(piece);
  const Range rows = rows_of(blocks);
  const LayerRows<T> w = layer_rows(unit.layer, rows);
  const Range in_part{blocks.begin - blocks_.begin, blocks.end - blocks_.begin};
  if (unit.layer == 0 && is_sparse_) {
    fastmlp::sum_gradient(unit.dense, network_.in_features(), *entries_, w.dy,
                          {rows, in_part, adds}, sums);
    return;
  }
  GradientTiles tiles;
  if (const Tiles dy = work(unit.layer).dy_tiles; dy && unit.dense.narrow == 0) {
    const Tiles x = strip_of(unit, near, way.scratch->strip);
    tiles = {x.from(0, group_of(rows) - group_of(rows_of(near))),
             dy.from(unit.dense.outputs.begin, group_of(rows)),
             divide_up(rows.size(), kTileRows)};
  }
  fastmlp::sum_gradient(unit.dense, w.x, w.dy, work(unit.layer).block_sums, tiles,
                        {rows, in_part, adds}, sums, way.ahead);
}

template class Pass<float>;
template class Pass<double>;

}  // namespace fastmlp
