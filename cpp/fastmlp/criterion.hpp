// A loss over some rows of a batch in panels: its value and gradient, or its
// predictions.
#pragma once

#include <cstring>

#include "losses.hpp"

namespace fastmlp {

// What the outputs should have been, for all rows: class labels, or values (rows,
// columns).
template <class T>
struct Targets {
  const std::int64_t* labels = nullptr;
  const T* values = nullptr;

  // The targets of the rows from `first` on.
  Targets from(Index first, Index columns) const {
    return {labels ? labels + first : nullptr,
            values ? values + first * columns : nullptr};
  }
};

// Memory for the transposed rows of one thread.
template <class T>
class LossScratch {
 public:
  explicit LossScratch(Index outputs)
      : outputs_(outputs),
        size_(round_up(outputs, kLanes<T>) * kLanes<T>),
        memory_(3 * size_ + kLanes<T> + kLanes<T> * kLanes<T>) {}

  LossRows<T> rows() const {
    return {outputs_, memory_.data(), memory_.data() + size_,
            memory_.data() + 2 * size_, memory_.data() + 3 * size_};
  }

  // Some rows of a matrix in panels into columns of lanes, or back (padding as zeros).
  // Where it is not a whole block of rows, what follows them may be somebody else's.
  void load(Panels<T> from, Index row, Index n) const {
    if (outputs_ == 1 && n == kLanes<T>) return load_column(from.at(0, row));
    for (Index panel = 0; panel < from.count(); ++panel) {
      T* const columns = memory_.data() + panel * kLanes<T> * kLanes<T>;
      if (n == kLanes<T>) {
        transpose_block(from.at(panel, row), columns);
      } else {
        std::copy_n(from.at(panel, row), n * kLanes<T>, block());
        transpose_block(block(), columns);
      }
    }
  }
  void store(Panels<T> to, Index row, Index n) const {
    if (outputs_ == 1) return store_column(to.at(0, row), n);
    std::fill(memory_.data() + outputs_ * kLanes<T>, memory_.data() + size_, T(0));
    for (Index panel = 0; panel < to.count(); ++panel) {
      const T* const columns = memory_.data() + panel * kLanes<T> * kLanes<T>;
      if (n == kLanes<T>) {
        transpose_block(columns, to.at(panel, row));
      } else {
        transpose_block(columns, block());
        std::copy_n(block(), n * kLanes<T>, to.at(panel, row));
      }
    }
  }

 private:
  // A single column needs no transposition, whose loads of whole registers would wait
  // until the numbers just written one by one have reached the cache.
  void load_column(const T* from) const {
    for (Index i = 0; i < kLanes<T>; i += Vec<T>::size)
      Vec<T>::gather(from + i * kLanes<T>, kLanes<T>).store(memory_.data() + i);
  }
  void store_column(T* to, Index n) const {
    typename Vec<T>::Words first{};
    first[0] = ~first[0];
    const Vec<T> keep = Vec<T>::of_words(first);
    for (Index i = 0; i < n; ++i, to += kLanes<T>) {
      (Vec<T>(memory_[i]) & keep).store(to);
      for (Index v = Vec<T>::size; v < kLanes<T>; v += Vec<T>::size)
        Vec<T>(0).store(to + v);
    }
  }

  Index outputs_;
  Index size_;
  Buffer<T> memory_;

  T* block() const { return memory_.data() + 3 * size_ + kLanes<T>; }
};

// Labels of n rows as columns of ones and zeros: compared with every class, since
// registers could not be read soon after single numbers were written.
template <class T, class Label>
void load_labels(Index n, Label&& label, const LossRows<T>& rows) {
  using Word = typename Vec<T>::Word;
  alignas(kAlignment) Word labels[kLanes<T>] = {};
  for (Index i = 0; i < n; ++i) labels[i] = static_cast<Word>(label(i));
  for (int v = 0; v < kRegisters<T>; ++v) {
    typename Vec<T>::Words found;
    std::memcpy(&found, labels + v * Vec<T>::size, sizeof(found));
    for (Index c = 0; c < rows.outputs; ++c) {
      const auto ours = found == static_cast<Word>(c);
      LossRows<T>::set(rows.y, c, v, select(ours, Vec<T>(1), Vec<T>(0)));
    }
  }
}

// The targets of rows order[rows], which lie anywhere, will be wanted after a pass up;
// of many columns the first ones. At once: a line for each row is too much for Ahead.
template <class T>
void expect_targets(const Targets<T>& targets, const Index* order, Range rows,
                    Index columns) {
  for (Index row = rows.begin; row < rows.end; ++row) {
    if (targets.labels) {
      __builtin_prefetch(targets.labels + order[row]);
    } else {
      __builtin_prefetch(targets.values + order[row] * columns);
    }
  }
}

// Targets of n rows, order[0..n) (or row, row + 1, ... where order is null).
template <class T>
void load_targets(const Targets<T>& targets, const Index* order, Index row, Index n,
                  const LossRows<T>& rows) {
  constexpr Index L = kLanes<T>;
  const auto place = [&](Index i) { return order ? order[row + i] : row + i; };
  if (targets.labels) {
    load_labels<T>(n, [&](Index i) { return targets.labels[place(i)]; }, rows);
    return;
  }
  for (Index i = 0; i < n; ++i)
    for (Index c = 0; c < rows.outputs; ++c)
      rows.y[c * L + i] = targets.values[place(i) * rows.outputs + c];
}

// Counts n rows by their weights (1 if null), and others not at all: returns the sum of
// weight x value, multiplies the gradient by weight x scale.
template <class T>
double weigh_rows(const LossRows<T>& rows, Index n, const T* weight, T scale) {
  constexpr Index L = kLanes<T>;
  alignas(kAlignment) T factor[L] = {};
  double total = 0;
  for (Index i = 0; i < n; ++i) {
    const T w = weight ? weight[i] : T(1);
    total += static_cast<double>(w) * static_cast<double>(rows.value[i]);
    factor[i] = w * scale;
  }
  for (Index i = 0; i < rows.outputs * L; i += Vec<T>::size)
    (Vec<T>::load(rows.z + i) * Vec<T>::load(factor + i % L)).store(rows.z + i);
  return total;
}

// The loss of some rows of a batch: returns the sum of weight x loss; the gradient is
// that of scale x this sum. `weight` (by row in the batch) may be null, and counts as 1
// then.
template <class T>
double value_and_gradient(const Loss& loss, Panels<T> output, Range range,
                          const Targets<T>& targets, const Index* order,
                          const T* weight, T scale, const Reporting<T>& reporting,
                          Panels<T> gradient, const LossScratch<T>& scratch) {
  constexpr Index L = kLanes<T>;
  const LossRows<T> rows = scratch.rows();
  return std::visit(
      [&](const auto& member) {
        double total = 0;
        for (Index row = range.begin; row < range.end; row += L) {
          const Index n = std::min(L, range.end - row);
          load_targets(targets, order, row, n, rows);
          scratch.load(output, row, n);
          member.value_and_gradient(rows, reporting);
          if (n < L || weight || scale != T(1)) {
            total += weigh_rows(rows, n, weight ? weight + row : nullptr, scale);
          } else {
            for (Index v = 0; v < L; v += Vec<T>::size)
              total += static_cast<double>(sum(Vec<T>::load(rows.value + v)));
          }
          scratch.store(gradient, row, n);
        }
        return total;
      },
      loss);
}

// The loss's inverse link, over rows of raw outputs in panels, into a row-major matrix.
template <class T>
void predict(const Loss& loss, Panels<T> output, Range range, T* to,
             const LossScratch<T>& scratch) {
  constexpr Index L = kLanes<T>;
  const LossRows<T> rows = scratch.rows();
  std::visit(
      [&](const auto& member) {
        for (Index row = range.begin; row < range.end; row += L) {
          const Index n = std::min(L, range.end - row);
          scratch.load(output, row, n);
          member.predict(rows.z, rows.outputs);
          for (Index i = 0; i < n; ++i)
            for (Index c = 0; c < rows.outputs; ++c)
              to[(row - range.begin + i) * rows.outputs + c] = rows.z[c * L + i];
        }
      },
      loss);
}

}  // namespace fastmlp
