// A user's matrix as it lies in memory: read in place where a product can, and else its
// rows gathered into panels. X is never copied as a whole.
#pragma once

#include <cstring>
#include <optional>

#include "panels.hpp"

namespace fastmlp {

// Dense with any strides, or sparse in compressed rows (CSR); float or double.
struct InputView {
  const char* data = nullptr;
  Index rows = 0;
  Index columns = 0;
  Index row_stride = 0;     // bytes
  Index column_stride = 0;  // bytes
  bool is_double = false;

  // CSR: row r holds entries row_starts[r] to row_starts[r + 1] of `data` and
  // `indices`.
  const void* row_starts = nullptr;
  const void* indices = nullptr;
  bool long_indices = false;
  bool is_sorted = false;  // each row's columns, none of them twice

  bool is_sparse() const { return row_starts != nullptr; }
  Index row_bytes() const { return columns * column_stride; }
  bool is_contiguous() const {  // along its rows
    return !is_sparse() &&
           column_stride ==
               static_cast<Index>(is_double ? sizeof(double) : sizeof(float));
  }
  // The rows from `first` on.
  InputView from(Index first) const {
    InputView part = *this;
    part.rows -= first;
    if (is_sparse()) {
      const Index size = long_indices ? sizeof(std::int64_t) : sizeof(std::int32_t);
      part.row_starts = static_cast<const char*>(row_starts) + first * size;
    } else {
      part.data += first * row_stride;
    }
    return part;
  }
};

// The entries of a sparse matrix: row r's are those from starts[r] to starts[r + 1].
template <class Source, class Integer>
struct Csr {
  const Source* values;
  const Integer* starts;
  const Integer* columns;

  Index begin(Index row) const { return static_cast<Index>(starts[row]); }
  Index end(Index row) const { return static_cast<Index>(starts[row + 1]); }
};

// f(Csr) with the entries of `x` in their own types.
template <class F>
void with_entries(const InputView& x, F&& f) {
  const auto of = [&]<class Source, class Integer>(Source, Integer) {
    f(Csr<Source, Integer>{reinterpret_cast<const Source*>(x.data),
                           static_cast<const Integer*>(x.row_starts),
                           static_cast<const Integer*>(x.indices)});
  };
  if (x.is_double) {
    x.long_indices ? of(double{}, std::int64_t{}) : of(double{}, std::int32_t{});
  } else {
    x.long_indices ? of(float{}, std::int64_t{}) : of(float{}, std::int32_t{});
  }
}

namespace detail {

// Rows of a shuffled epoch lie anywhere: the hardware foresees nothing beyond a row, so
// the next rows are asked for by hand, so far ahead that they come in time (measured:
// 43 to 34 ms an epoch of 20000 x 784 rows; with narrow rows, two rows ahead are too
// late).
inline constexpr Index kBytesAhead = 4096;

// By way of a copy: it tells the compiler that `from` and `to` do not overlap.
template <Index n, class Source, class T>
void convert(const Source* from, T* to) {
  T numbers[n];
  for (Index i = 0; i < n; ++i) numbers[i] = static_cast<T>(from[i]);
  std::memcpy(to, numbers, sizeof(numbers));
}

// n < lanes numbers, by powers of two: constant sizes are single instructions.
template <Index size, class Source, class T>
void convert_rest(const Source* from, Index n, T* to) {
  if constexpr (size > 0) {
    const Index done = n & size;
    if (done) convert<size>(from, to);
    convert_rest<size / 2>(from + done, n, to + done);
  }
}

// A gather calls `seen(row)` after each row of `to` that it has filled.
template <class Source, class T, class Seen>
void gather_contiguous(const InputView& x, const Index* order, Range rows, Index known,
                       Panels<T> to, Seen& seen) {
  constexpr Index L = kLanes<T>;
  const Index row_bytes = to.columns * static_cast<Index>(sizeof(Source));
  const Index rows_ahead = 1 + kBytesAhead / row_bytes;
  const Index whole = to.columns / L;
  for (Index row = rows.begin; row < rows.end; ++row) {
    const Index next = std::min(row + rows_ahead, known - 1);
    const char* ahead = x.data + (order ? order[next] : next) * x.row_stride;
    for (Index byte = 0; byte < row_bytes; byte += kAlignment)
      __builtin_prefetch(ahead + byte);
    const auto* from = reinterpret_cast<const Source*>(
        x.data + (order ? order[row] : row) * x.row_stride);
    T* lanes = to.at(0, row);
    for (Index panel = 0; panel < whole; ++panel, from += L, lanes += to.stride)
      convert<L>(from, lanes);
    convert_rest<L / 2>(from, to.columns % L, lanes);
    seen(row);
  }
}

template <class Source, class T, class Seen>
void gather_strided(const InputView& x, const Index* order, Range rows, Panels<T> to,
                    Seen& seen) {
  for (Index row = rows.begin; row < rows.end; ++row) {
    const char* from = x.data + (order ? order[row] : row) * x.row_stride;
    for (Index column = 0; column < to.columns; ++column, from += x.column_stride)
      to.at(column / kLanes<T>, row)[column % kLanes<T>] =
          static_cast<T>(*reinterpret_cast<const Source*>(from));
    seen(row);
  }
}

template <class T, class Seen>
void gather_sparse(const InputView& x, const Index* order, Range rows, Panels<T> to,
                   Seen& seen) {
  with_entries(x, [&](const auto& entries) {
    for (Index row = rows.begin; row < rows.end; ++row) {
      for (Index panel = 0; panel < to.count(); ++panel)
        std::fill_n(to.at(panel, row), kLanes<T>, T(0));
      const Index from = order ? order[row] : row;
      for (Index e = entries.begin(from); e < entries.end(from); ++e) {
        const auto column = static_cast<Index>(entries.columns[e]);
        // Entries of one place add up, as in SciPy.
        to.at(column / kLanes<T>, row)[column % kLanes<T>] +=
            static_cast<T>(entries.values[e]);
      }
      seen(row);
    }
  });
}

template <class Source, class T, class Seen>
void gather(const InputView& x, const Index* order, Range rows, Index known,
            Panels<T> to, Seen& seen) {
  if (x.is_contiguous()) {
    gather_contiguous<Source>(x, order, rows, known, to, seen);
  } else {
    gather_strided<Source>(x, order, rows, to, seen);
  }
}

template <class T, class Seen>
void gather(const InputView& x, const Index* order, Range rows, Index known,
            Panels<T> to, Seen&& seen) {
  if (x.is_sparse()) {
    gather_sparse(x, order, rows, to, seen);
  } else if (x.is_double) {
    gather<double>(x, order, rows, known, to, seen);
  } else {
    gather<float>(x, order, rows, known, to, seen);
  }
}

// Lanes of zeros, or NaN where a number is not finite in the n stretches of lanes that
// at(0), at(1), ... point to. Four chains: one would wait four cycles for each FMA.
template <class T, class At>
Vec<T> zero_if_finite(Index n, At&& at) {
  constexpr Index chains = 4;
  Vec<T> sum[chains] = {Vec<T>(0), Vec<T>(0), Vec<T>(0), Vec<T>(0)};
  const auto add = [&](Index i, Index chain) {
    for (int v = 0; v < kRegisters<T>; ++v)
      sum[chain] =
          fma(Vec<T>::load_from(at(i) + v * Vec<T>::size), Vec<T>(0), sum[chain]);
  };
  Index i = 0;
  for (; i + chains <= n; i += chains)
    for (Index c = 0; c < chains; ++c) add(i + c, c);
  for (; i < n; ++i) add(i, 0);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

template <class T>
bool is_zero(Vec<T> x) {
  alignas(kAlignment) T lanes[Vec<T>::size];
  x.store(lanes);
  return std::all_of(lanes, lanes + Vec<T>::size, [](T lane) { return lane == T(0); });
}

}  // namespace detail

// Rows order[rows] of `x` (or x's own `rows` where order is null) into rows of `to`.
// Rows up to `known` may be asked for ahead of the next call.
template <class T>
void gather(const InputView& x, const Index* order, Range rows, Index known,
            Panels<T> to) {
  detail::gather(x, order, rows, known, to, [](Index) {});
}
template <class T>
void gather(const InputView& x, const Index* order, Range rows, Panels<T> to) {
  gather(x, order, rows, rows.end, to);
}

// The same; false if an element of these rows is NaN or infinite.
template <class T>
bool gather_finite(const InputView& x, const Index* order, Range rows, Index known,
                   Panels<T> to) {
  Vec<T> total(0);
  detail::gather(x, order, rows, known, to, [&total, to](Index row) {
    total = total + detail::zero_if_finite<T>(
                        to.count(), [&](Index panel) { return to.at(panel, row); });
  });
  return detail::is_zero(total);
}

// The rows for a product to read where they lie, if they are contiguous and of its
// type: predictions of 100,000 x 784 take 7 % less time than with a gather.
//
// Not where rows of a whole number of pages fall on the same cache sets: a tile has
// more of them than small caches have ways, and panels lie elsewhere.
template <class T>
std::optional<RowMajor<T>> as_row_major(const InputView& x) {
  constexpr auto size = static_cast<Index>(sizeof(T));
  const bool fits = x.is_contiguous() && x.is_double == std::is_same_v<T, double> &&
                    x.row_stride % size == 0;
  if (!fits || (x.row_stride != 0 && x.row_stride % kPage == 0)) return std::nullopt;
  return RowMajor<T>{reinterpret_cast<const T*>(x.data), x.row_stride / size,
                     x.columns};
}

// Whether the first n rows hold no NaN and nothing infinite.
template <class T>
bool is_finite(RowMajor<T> x, Index n) {
  if (x.stride == x.columns) {  // one long line
    x = {x.data, 0, n * x.columns};
    n = 1;
  }
  const Index whole = x.columns / kLanes<T>;
  Vec<T> total(0);
  T rest(0);
  for (Index row = 0; row < n; ++row) {
    total = total + detail::zero_if_finite<T>(
                        whole, [&](Index panel) { return x.at(panel, row); });
    const T* const end = x.at(0, row) + x.columns;
    for (const T* i = x.at(whole, row); i != end; ++i) rest += *i * T(0);
  }
  return detail::is_zero(total) && rest == T(0);
}

// Whether the next rows are worth asking for ahead of a gather: short ones come in time
// without.
inline bool has_long_rows(const InputView& x) {
  constexpr Index long_row = 128;  // bytes
  return x.is_contiguous() && x.row_bytes() >= long_row;
}

// Rows order[rows] of a matrix that is contiguous along its rows will be wanted after
// the products that `ahead` is for. Rows that follow one another are one piece: each
// piece takes its time.
inline void expect_rows(const InputView& x, const Index* order, Range rows,
                        Ahead& ahead) {
  const Index bytes = x.row_bytes();
  if (!order && bytes == x.row_stride) {
    ahead.add(x.data + rows.begin * bytes, rows.size() * bytes);
    return;
  }
  for (Index row = rows.end; row-- > rows.begin;)
    ahead.add(x.data + (order ? order[row] : row) * x.row_stride, bytes);
}

}  // namespace fastmlp
