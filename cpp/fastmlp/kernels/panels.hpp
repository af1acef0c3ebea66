// Matrices in column panels, [panel][row][lane]: a panel holds one cache line of
// columns. One layout serves as broadcast operand, as vector operand and as both
// operands of the weight gradient, so that products of panels pack nothing. Lanes past
// the last column are zero in inputs, weights and gradients; in activations, anything.
#pragma once

#include <cstring>

#include "ahead.hpp"
#include "shuffle.hpp"

namespace fastmlp {

template <class T>
struct Panels {
  T* data = nullptr;
  Index stride = 0;  // elements from one panel to the next
  Index columns = 0;

  Index count() const { return divide_up(columns, kLanes<T>); }
  T* at(Index panel, Index row) const {
    return data + panel * stride + row * kLanes<T>;
  }
  // To be read from (panel, row) on; not known how far.
  Panels from(Index panel, Index row) const { return {at(panel, row), stride, 0}; }
  // Columns of this panel that are not padding.
  Index width(Index panel) const {
    return std::min(kLanes<T>, columns - panel * kLanes<T>);
  }
  Index bytes() const { return count() * stride * static_cast<Index>(sizeof(T)); }
  explicit operator bool() const { return data != nullptr; }
};

// A row-major matrix that is read where it lies. Products take it like Panels, but no
// padding follows a row: behind its last column lies the next row, and behind the last
// row what is somebody else's.
template <class T>
struct RowMajor {
  const T* data = nullptr;
  Index stride = 0;  // elements from one row to the next
  Index columns = 0;

  Index count() const { return divide_up(columns, kLanes<T>); }
  const T* at(Index panel, Index row) const {
    return data + row * stride + panel * kLanes<T>;
  }
};

template <class T>
struct PanelBuffer {
  Buffer<T> memory;
  Panels<T> panels;

  PanelBuffer() = default;
  // A last panel that is partial begins with zeros, whatever the others hold.
  PanelBuffer(Index rows, Index columns, Fill fill = Fill::zeros)
      : PanelBuffer(Panels<T>{nullptr, spread(rows) * kLanes<T>, columns}, fill) {}

  // Weights: rows in whole square blocks, so that a block can be transposed in place.
  // An optimizer's state is read first; weights, packed at once, lose nothing by it.
  static PanelBuffer square_blocks(Index rows, Index columns) {
    constexpr Index L = kLanes<T>;
    return {Panels<T>{nullptr, round_up(rows, L) * L, columns}, Fill::zeros_at_hand};
  }

 private:
  PanelBuffer(Panels<T> shape, Fill fill)
      : memory(shape.stride * shape.count(), fill), panels(shape) {
    panels.data = memory.data();
    if (fill == Fill::anything && panels.columns % kLanes<T> > 0)
      std::fill_n(panels.at(panels.count() - 1, 0), panels.stride, T(0));
  }
  // Panels 4 KiB apart would fall on the same cache sets: 8 rows more than a multiple
  // of 16.
  static Index spread(Index rows) {
    const Index rounded = round_up(rows, 8);
    return rounded % 16 == 0 ? rounded + 8 : rounded;
  }
};

namespace detail {

// Calls f(panel, row, offset) for whole panels of a row-major matrix whose rows are
// `stride` apart, where the panel's part of a row lies at `offset`. A few panels at a
// time, which follow one another in a row, and asked for some rows ahead: panel by
// panel, where each part is far from the one before, packing 16 MB takes three times as
// long.
template <bool writes, class T, class F>
void each_line(const T* matrix, Index stride, Index whole, Range rows, F&& f) {
  constexpr Index together = 8;
  constexpr Index rows_ahead = 16;
  each_piece({0, whole}, together, [&](Range panels) {
    for (Index row = rows.begin; row < rows.end; ++row) {
      const Index ahead = std::min(row + rows_ahead, rows.end - 1) * stride;
      for (Index panel = panels.begin; panel < panels.end; ++panel)
        __builtin_prefetch(matrix + ahead + panel * kLanes<T>, writes);
      for (Index panel = panels.begin; panel < panels.end; ++panel)
        f(panel, row, row * stride + panel * kLanes<T>);
    }
  });
}

}  // namespace detail

// Columns 0 to to.columns of the row-major `from`, whose rows are `stride` apart, into
// panels, and back.
template <class T>
void pack(const T* from, Index stride, Range rows, Panels<T> to) {
  const Index whole = to.columns / kLanes<T>;
  detail::each_line<false>(
      from, stride, whole, rows, [&](Index panel, Index row, Index offset) {
        std::memcpy(to.at(panel, row), from + offset, kLanes<T> * sizeof(T));
      });
  if (whole == to.count()) return;
  for (Index row = rows.begin; row < rows.end; ++row)
    std::copy_n(from + row * stride + whole * kLanes<T>, to.width(whole),
                to.at(whole, row));
}

template <class T>
void unpack(Panels<T> from, Range rows, T* to, Index stride) {
  const Index whole = from.columns / kLanes<T>;
  detail::each_line<true>(
      to, stride, whole, rows, [&](Index panel, Index row, Index offset) {
        std::memcpy(to + offset, from.at(panel, row), kLanes<T> * sizeof(T));
      });
  if (whole == from.count()) return;
  for (Index row = rows.begin; row < rows.end; ++row)
    std::copy_n(from.at(whole, row), from.width(whole),
                to + row * stride + whole * kLanes<T>);
}

// Of a matrix that has no more columns.
template <class T>
void pack(const T* from, Range rows, Panels<T> to) {
  pack(from, to.columns, rows, to);
}
template <class T>
void unpack(Panels<T> from, Range rows, T* to) {
  unpack(from, rows, to, from.columns);
}

// Some rows of some panels will be wanted, the first panel first.
template <class T>
void expect(Panels<T> matrix, Range panels, Range rows, Ahead& ahead,
            Use use = Use::read) {
  for (Index panel = panels.end; panel-- > panels.begin;)
    ahead.add(matrix.at(panel, rows.begin),
              rows.size() * kLanes<T> * static_cast<Index>(sizeof(T)), use);
}

// The square block `from` (lanes x lanes) transposed into `to`.
template <class T>
void transpose_block(const T* from, T* to) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  for (Index i = 0; i < L; i += S) {
    for (Index j = 0; j < L; j += S) {
      Registers<T> v;
      unrolled<S>([&](auto k) { v[k] = Vec<T>::load(from + (i + k) * L + j); });
      transpose(v);
      unrolled<S>([&](auto k) { v[k].store(to + (j + k) * L + i); });
    }
  }
}

// `from` (rows, columns) transposed into `to` (columns, rows), both in square blocks.
template <class T>
void transpose(Panels<T> from, Panels<T> to) {
  for (Index i = 0; i < to.count(); ++i) {
    for (Index j = 0; j < from.count(); ++j) {
      transpose_block(from.at(j, i * kLanes<T>), to.at(i, j * kLanes<T>));
    }
  }
}

}  // namespace fastmlp
