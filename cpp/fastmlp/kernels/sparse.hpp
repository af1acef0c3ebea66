// Products of sparse rows (CSR, columns in order): an entry costs a few lines of
// weights, a zero nothing. The same sums in the same order as of dense rows, where
// zeros change nothing as long as weights are finite: either may be chosen for any
// rows.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "input.hpp"
#include "split.hpp"

namespace fastmlp {

// Rows order[0..) of x, or its own where order is null; products take them like Panels.
struct SparseRows {
  const InputView& x;
  const Index* order = nullptr;

  Index row(Index i) const { return order ? order[i] : i; }
};

// Entries of n rows.
inline Index count_entries(const SparseRows& rows, Index n) {
  Index count = 0;
  with_entries(rows.x, [&](const auto& entries) {
    if (!rows.order) {
      count = entries.begin(n) - entries.begin(0);
      return;
    }
    for (Index i = 0; i < n; ++i)
      count += entries.end(rows.row(i)) - entries.begin(rows.row(i));
  });
  return count;
}

// The most in so many of them that follow one another.
inline Index most_entries(const SparseRows& rows, Index n, Index window) {
  Index most = 0;
  with_entries(rows.x, [&](const auto& entries) {
    const auto of = [&](Index i) {
      return entries.end(rows.row(i)) - entries.begin(rows.row(i));
    };
    Index sum = 0;
    for (Index i = 0; i < n; ++i) {
      sum += of(i) - (i < window ? 0 : of(i - window));
      most = std::max(most, sum);
    }
  });
  return most;
}

// Whether n of these rows hold, as T, no NaN and nothing infinite.
template <class T>
bool is_finite(const SparseRows& rows, Index n) {
  T total(0);
  with_entries(rows.x, [&](const auto& entries) {
    for (Index i = 0; i < n; ++i)
      for (Index e = entries.begin(rows.row(i)); e < entries.end(rows.row(i)); ++e)
        total += static_cast<T>(entries.values[e]) * T(0);
  });
  return total == T(0);
}

namespace detail {

// Panels whose sums fill registers together.
template <class T>
inline constexpr int kSparsePanels = std::max(1, 6 / kRegisters<T>);

// Where a chunk of input columns (see each_chunk) that holds `column` ends.
template <class T>
Index end_of_chunk(Index columns, Index column) {
  const Index panels = divide_up(columns, kLanes<T>);
  const Index chunks = divide_up(columns, kDepthBlock<T>);
  const Index chunk = part_with(panels, chunks, column / kLanes<T>);
  return even_part(panels, chunks, chunk).end * kLanes<T>;
}

// y(p) = floor(sum over a row's entries of value w(column, p) + bias(p)) for P panels,
// chunk by chunk. `line(column)` is where the first panel's weights lie, the others'
// `line_stride` behind one another.
template <int P, class T, class Entries, class Line>
void multiply_entries(const Entries& entries, Range own, Index columns, Line&& line,
                      Index line_stride, const T* bias, Floor<T> floor, T* y,
                      Index y_stride) {
  constexpr int V = kRegisters<T>;
  constexpr int S = Vec<T>::size;
  std::array<Vec<T>, static_cast<std::size_t>(P * V)> sum, total;
  unrolled<P * V>([&](auto i) {
    sum[i] = Vec<T>(0);
    total[i] = Vec<T>::load(bias + i * S);
  });
  Index chunk_end = 0;
  for (Index e = own.begin; e < own.end; ++e) {
    const auto column = static_cast<Index>(entries.columns[e]);
    if (column >= chunk_end) {
      chunk_end = end_of_chunk<T>(columns, column);
      unrolled<P * V>([&](auto i) {
        total[i] = sum[i] + total[i];
        sum[i] = Vec<T>(0);
      });
    }
    const Vec<T> value(static_cast<T>(entries.values[e]));
    const T* const weights = line(column);
    unrolled<P, V>([&](auto p, auto v) {
      const T* const from = weights + p * line_stride + v * S;
      sum[p * V + v] = fma(value, Vec<T>::load_from(from), sum[p * V + v]);
    });
  }
  unrolled<P, V>([&](auto p, auto v) {
    floor(sum[p * V + v] + total[p * V + v], p, v * S).store(y + p * y_stride + v * S);
  });
}

}  // namespace detail

// y = floor(x w + b) for `rows` of x and some panels of w (Panels or RowMajor).
template <class Weights, class T>
void multiply_sparse(const SparseRows& x, Range rows, const Weights& w, Range panels,
                     const T* bias, Floor<T> floor, Panels<T> y) {
  const Index columns = x.x.columns;
  constexpr Index L = kLanes<T>;
  constexpr bool is_packed = std::is_same_v<Weights, Panels<T>>;
  const Index line_stride = is_packed ? w.stride : L;
  // What follows the columns of a last panel is the next row, or somebody else's.
  alignas(kAlignment) T padded[detail::kSparsePanels<T> * L] = {};
  with_entries(x.x, [&](const auto& entries) {
    const auto multiply = [&](Index panel, auto count) {
      const bool is_partial = !is_packed && (panel + count) * L > w.columns;
      if (is_partial) {
        const T* const last = w.at(0, columns - 1);
        std::copy(last + panel * L, last + w.columns, padded);
      }
      for (Index i = rows.begin; i < rows.end; ++i) {
        const Index row = x.row(i);
        detail::multiply_entries<count, T>(
            entries, {entries.begin(row), entries.end(row)}, columns,
            [&](Index column) -> const T* {
              if (is_partial && column == columns - 1) return padded;
              return w.at(panel, column);
            },
            line_stride, bias + panel * L, floor, y.at(panel, i), y.stride);
      }
    };
    Index panel = panels.begin;
    for (; panel + detail::kSparsePanels<T> <= panels.end;
         panel += detail::kSparsePanels<T>)
      multiply(panel, std::integral_constant<int, detail::kSparsePanels<T>>{});
    unrolled<detail::kSparsePanels<T> - 1>([&](auto i) {
      if (panels.end - panel == i + 1)
        multiply(panel, std::integral_constant<int, i + 1>{});
    });
  });
}

// The weights of a layer's last few outputs: that of input i and output c lies at
// data[i / lanes * panel + i % lanes * input + c * output].
template <class T>
struct FewOutputs {
  const T* data;
  Index panel, input, output;

  const T* of(Index i) const {
    return data + i / kLanes<T> * panel + i % kLanes<T> * input;
  }
};

// y = floor(x w + b) for the last few `outputs` of `rows` of x, into the panel at `y`
// (its first row in `rows`). Sums as in dot_tile: one for each lane of a register.
template <class T>
void multiply_sparse_narrow(const SparseRows& x, Range rows, FewOutputs<T> w,
                            Index outputs, const T* bias, Floor<T> floor, T* y) {
  constexpr int S = Vec<T>::size;
  constexpr int groups = static_cast<int>(divide_up(kNarrow<T>, S));
  const auto with = [&](const auto& entries, auto C) {
    for (Index i = rows.begin; i < rows.end; ++i, y += kLanes<T>) {
      alignas(kAlignment) T lanes[groups * S][S] = {};
      for (Index e = entries.begin(x.row(i)); e < entries.end(x.row(i)); ++e) {
        const auto column = static_cast<Index>(entries.columns[e]);
        const Vec<T> value(static_cast<T>(entries.values[e]));
        const T* const from = w.of(column);
        unrolled<C>([&](auto c) {
          T& to = lanes[c][column % S];
          to = first(fma(value, Vec<T>(from[c * w.output]), Vec<T>(to)));
        });
      }
      alignas(kAlignment) T sums[groups * S], biases[groups * S] = {};
      std::copy_n(bias, outputs, biases);
      unrolled<groups>([&](auto g) {
        Registers<T> group;
        unrolled<S>([&](auto j) { group[j] = Vec<T>::load(lanes[g * S + j]); });
        const Vec<T> biased = sum_lanes(group) + Vec<T>::load(biases + g * S);
        floor(biased, 0, 0).store(sums + g * S);
      });
      std::copy_n(sums, outputs, y);
    }
  };
  with_entries(x.x, [&](const auto& entries) {
    detail::with_outputs<T>(outputs, [&](auto c) { with(entries, c); });
  });
}

// The entries of a batch's rows by block of rows and group of columns, for the weight
// gradient of one group after the other.
template <class T>
class GroupedEntries {
 public:
  struct Entry {
    std::int32_t row;     // of the batch
    std::int32_t column;  // of the group
    T value;
  };
  using Entries = std::span<const Entry>;

  // Of so many blocks at most; groups are parts (input_part) of the panels of
  // `columns`.
  GroupedEntries(Index columns, Index groups, Index blocks)
      : groups_(groups),
        blocks_(blocks),
        starts_(static_cast<std::size_t>(blocks * (groups + 2))) {
    const Index panels = divide_up(columns, kLanes<T>);
    for (Index group = 0; group < groups; ++group) {
      const Range own = input_part<T>(panels, groups, group);
      for (Index panel = own.begin; panel < own.end; ++panel)
        places_.push_back({static_cast<std::int32_t>(group),
                           static_cast<std::int32_t>(own.begin * kLanes<T>)});
    }
  }

  // For up to `most` entries in each block, and some more: next time they may be.
  void reserve(Index most) {
    if (most <= most_) return;
    most_ = 0;
    entries_.reset();
    const Index room = most + most / 8;
    entries_ = std::make_unique_for_overwrite<Entry[]>(
        static_cast<std::size_t>(blocks_ * room));
    most_ = room;
  }

  Index group_of(Index panel) const {
    return places_[static_cast<std::size_t>(panel)].group;
  }

  Index panels_of(Index group) const {
    return std::count_if(places_.begin(), places_.end(),
                         [&](const Place& place) { return place.group == group; });
  }

  // `rows` of x, which are this block.
  void take(Index block, const SparseRows& x, Range rows) {
    with_entries(x.x, [&](const auto& entries) { take(block, x, rows, entries); });
  }

  // In the order of their rows.
  Entries of(Index block, Index group) const {
    const Index* const starts = starts_of(block);
    const Entry* const first = entries_.get() + block * most_;
    return {first + starts[group], first + starts[group + 1]};
  }

 private:
  struct Place {  // of a panel of columns
    std::int32_t group;
    std::int32_t first_column;  // of the group
  };
  const Place& place(Index column) const {
    return places_[static_cast<std::size_t>(column / kLanes<T>)];
  }
  const Index* starts_of(Index block) const {
    return starts_.data() + block * (groups_ + 2);
  }

  // Counted, then placed: rows stay in order.
  template <class FromCsr>
  void take(Index block, const SparseRows& x, Range rows, const FromCsr& entries) {
    Index* const starts = starts_.data() + block * (groups_ + 2);
    std::fill_n(starts, groups_ + 2, 0);
    const auto each = [&](auto&& f) {
      for (Index i = rows.begin; i < rows.end; ++i) {
        const Index row = x.row(i);
        for (Index e = entries.begin(row); e < entries.end(row); ++e)
          f(i, static_cast<Index>(entries.columns[e]), e);
      }
    };
    each([&](Index, Index column, Index) { ++starts[place(column).group + 2]; });
    for (Index g = 2; g < groups_ + 2; ++g) starts[g] += starts[g - 1];
    Entry* const first = entries_.get() + block * most_;
    each([&](Index row, Index column, Index e) {
      const auto [group, first_column] = place(column);
      first[starts[group + 1]++] = {static_cast<std::int32_t>(row),
                                    static_cast<std::int32_t>(column) - first_column,
                                    static_cast<T>(entries.values[e])};
    });
  }

  Index groups_, blocks_;
  Index most_ = 0;
  std::vector<Place> places_;
  std::vector<Index> starts_;  // by block: where each group begins, and one more
  std::unique_ptr<Entry[]> entries_;
};

// g[panel][column][lane] += value d(row, panel) for P panels from `panel` on, of those
// entries that `counts(entry)` lets through.
template <int P, class T, class Counts>
void add_gradient(typename GroupedEntries<T>::Entries entries, Panels<T> d, Index panel,
                  T* g, Index g_stride, Counts&& counts) {
  constexpr int S = Vec<T>::size;
  constexpr Index L = kLanes<T>;
  for (const auto& entry : entries) {
    if (!counts(entry)) continue;
    const Vec<T> value(entry.value);
    const T* const from = d.at(panel, entry.row);
    T* const to = g + entry.column * L;
    unrolled<P, kRegisters<T>>([&](auto p, auto v) {
      T* const at = to + p * g_stride + v * S;
      const Vec<T> delta = Vec<T>::load(from + p * d.stride + v * S);
      fma(value, delta, Vec<T>::load(at)).store(at);
    });
  }
}

// The same for a panel of C outputs: g[panel of columns][output][lane].
template <int C, class T, class Counts>
void add_gradient_narrow(typename GroupedEntries<T>::Entries entries, Panels<T> d,
                         Index panel, T* g, Counts&& counts) {
  constexpr Index L = kLanes<T>;
  for (const auto& entry : entries) {
    if (!counts(entry)) continue;
    const T* const from = d.at(panel, entry.row);
    T* const to = g + entry.column / L * C * L + entry.column % L;
    unrolled<C>([&](auto c) {
      T& at = to[c * L];
      at = first(fma(Vec<T>(from[c]), Vec<T>(entry.value), Vec<T>(at)));
    });
  }
}

}  // namespace fastmlp
