// Dense where its input is sparse: forward, and the weight gradient.
#pragma once

#include "dense_gradient.hpp"

namespace fastmlp {

template <class T, class Done>
void dense_forward(const DenseState<T>& state, const SparseRows& x, Panels<T> y,
                   Range panels, Range rows, Floor<T> floor, Way<T>&, Done&& done) {
  const Index end = divide_up(state.whole, kLanes<T>);
  const Range whole{std::min(panels.begin, end), std::min(panels.end, end)};
  const auto multiply_by = [&](const auto& weights) {
    multiply_sparse(x, rows, weights, whole, state.bias.data(), floor, y);
  };
  if (state.is_borrowed()) {
    multiply_by(state.plain);
  } else {
    multiply_by(state.weight.panels);
  }
  const Index last = y.count() - 1;
  if (state.whole < y.columns && panels.contains(last))
    multiply_sparse_narrow(x, rows, state.few_outputs(), y.columns - state.whole,
                           state.bias.data() + state.whole, floor,
                           y.at(last, rows.begin));
  for (Index p = panels.begin; p < panels.end; ++p) done(p, rows);
}

// f(columns of the unit, chains) for those whose sums dense rows add up in several
// chains (see gradient_tile): only where few sums are left of a tile.
template <class T, class F>
void each_chained_tile(const DenseUnit& unit, Index in_features, F&& f) {
  constexpr Index L = kLanes<T>;
  const auto pass_on = [&](Range columns, int sums) {
    const int chains = detail::gradient_chains(sums);
    if (chains > 1) f(columns, chains);
  };
  if (unit.narrow > 0) {
    detail::with_outputs<T>(unit.narrow, [&](auto c) {
      using Narrow = detail::NarrowTile<T, c>;
      const Index tiles = divide_up(unit.inputs.size(), Narrow::P);
      for (Index i = 0; i < tiles; ++i) {
        const Range part = even_part(unit.inputs.size(), tiles, i);
        pass_on({part.begin * L, part.end * L},
                static_cast<int>(c * part.size()) * Narrow::N);
      }
    });
    return;
  }
  const Index last = unit.inputs.size() - 1;  // panel
  const Index inputs = std::min(L, in_features - (unit.inputs.begin + last) * L);
  const Index tiles = divide_up(inputs, Tile<T>::inputs);
  for (Index i = 0; i < tiles; ++i) {
    const Range part = even_part(inputs, tiles, i);
    pass_on({last * L + part.begin, last * L + part.end},
            static_cast<int>(part.size() * unit.outputs.size()) * kRegisters<T>);
  }
}

// A piece of a unit's gradient where rows are sparse.
template <class T>
void sum_gradient(const DenseUnit& unit, Index in_features,
                  const GroupedEntries<T>& entries, Panels<T> dy,
                  const GradientPiece& piece, T* sums) {
  constexpr int P = Tile<T>::panels;
  constexpr Index L = kLanes<T>;
  const Index size = unit.weights_size<T>();
  const Index panel_size = unit.panel_size<T>();
  const Index group = entries.group_of(unit.inputs.begin);
  eigen_assert(unit.inputs.size() == entries.panels_of(group));
  const auto add = [&](T* to, auto&& counts) {
    for (Index b = piece.blocks.begin; b < piece.blocks.end; ++b) {
      const auto own = entries.of(b, group);
      const Index panel = unit.outputs.begin;
      if (unit.narrow > 0) {
        detail::with_outputs<T>(unit.narrow, [&](auto c) {
          add_gradient_narrow<c, T>(own, dy, panel, to, counts);
        });
      } else if (unit.outputs.size() == P) {
        add_gradient<P, T>(own, dy, panel, to, panel_size, counts);
      } else {
        add_gradient<1, T>(own, dy, panel, to, panel_size, counts);
      }
    }
  };
  // By column of the unit; a power of two.
  std::array<int, static_cast<std::size_t>(kUnitInputs * L)> chains;
  chains.fill(1);
  int most = 1;
  each_chained_tile<T>(unit, in_features, [&](Range columns, int own) {
    std::fill(chains.begin() + columns.begin, chains.begin() + columns.end, own);
    most = std::max(most, own);
  });
  alignas(kAlignment) T scratch[kUnitSize<T>], chain_sums[kUnitSize<T>];
  T* const to = piece.adds ? scratch : sums;
  std::fill_n(to, size, T(0));
  if (most == 1) {
    add(to, [](const auto&) { return true; });
  } else {
    for (int chain = 0; chain < most; ++chain) {
      T* const own = chain == 0 ? to : chain_sums;
      std::fill_n(own, size, T(0));
      add(own, [&](const auto& entry) {
        const Index last = chains[static_cast<std::size_t>(entry.column)] - 1;
        const Index row = entry.row - piece.rows.begin;
        const bool is_rest = row >= (piece.rows.size() & ~last);
        return chain == (is_rest ? 0 : row & last);
      });
      if (chain == 0) continue;
      for (Index i = 0; i < size; ++i) to[i] += chain_sums[i];
    }
  }
  if (piece.adds)
    for (Index i = 0; i < size; ++i) sums[i] = scratch[i] + sums[i];
  if (!unit.has_biases()) return;
  sums += size;
  for (Index j = unit.outputs.begin; j < unit.outputs.end; ++j, sums += L)
    sum_panel(dy, j, piece.rows, piece.adds, sums);
}

}  // namespace fastmlp
