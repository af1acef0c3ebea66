// NumPy arrays as the library sees them, and every check of an argument. Nothing is
// copied silently: an array that does not fit is refused.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fastmlp/kernels/input.hpp"

namespace fastmlp::bindings {

namespace py = pybind11;

using Shape = std::vector<Index>;

inline std::string text(const Shape& shape) {
  std::string out = "(";
  for (const Index n : shape)
    out += (n < 0 ? "n" : std::to_string(n)) + (shape.size() == 1 ? ",)" : ", ");
  if (shape.size() != 1)
    out.replace(out.size() - std::min<std::size_t>(2, out.size() - 1), 2, ")");
  return out;
}

template <class Integer>
Integer positive(Integer value, const char* name) {
  if (value < 1)
    throw py::value_error(std::string(name) + " must be at least 1, got " +
                          std::to_string(value));
  return value;
}

// More threads than this help nobody and cost memory each; results are the same.
inline int checked_threads(int n_threads) {
  constexpr int most = 256;
  return std::min(positive(n_threads, "n_threads"), most);
}

inline Shape shape_of(const py::array& array) {
  return Shape(array.shape(), array.shape() + array.ndim());
}

// Throws ValueError unless the shape is `expected`, where -1 stands for any size. Names
// become strings only where a message needs them.
template <class Name>
void check_shape(const py::array& array, const Name& name, const Shape& expected) {
  const auto dimensions = static_cast<std::size_t>(array.ndim());
  bool fits = dimensions == expected.size();
  for (std::size_t i = 0; fits && i < dimensions; ++i)
    fits = expected[i] < 0 || array.shape(static_cast<Index>(i)) == expected[i];
  if (!fits)
    throw py::value_error(std::string(name) + " must have the shape " + text(expected) +
                          ", got " + text(shape_of(array)));
}

inline bool is_aligned(const py::array& array) {
  return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

template <class T, class Name>
void check_contiguous(const py::array& array, const Name& name) {
  if (!py::isinstance<py::array_t<T>>(array))
    throw py::type_error(std::string(name) + " must have the dtype " +
                         std::string(py::str(py::dtype::of<T>())) + ", got " +
                         std::string(py::str(array.dtype())));
  if (!(array.flags() & py::array::c_style))
    throw py::value_error(std::string(name) + " must be C-contiguous");
  if (!is_aligned(array)) throw py::value_error(std::string(name) + " must be aligned");
}

template <class T, class Name>
const T* read(const py::array& array, const Name& name, const Shape& shape) {
  check_shape(array, name, shape);
  check_contiguous<T>(array, name);
  return static_cast<const T*>(array.data());
}

template <class T, class Name>
T* write(py::array& array, const Name& name, const Shape& shape) {
  read<T>(array, name, shape);
  if (!array.writeable())
    throw py::value_error(std::string(name) + " must be writable");
  return static_cast<T*>(array.mutable_data());
}

// An element of a list that has to be an array already: a converted one would not live.
inline py::array array_at(const py::list& list, std::size_t i,
                          const std::string& name) {
  const py::object item = list[i];
  if (!py::isinstance<py::array>(item))
    throw py::type_error(name + " must hold NumPy arrays, got " +
                         std::string(py::str(py::type::of(item))));
  return py::reinterpret_borrow<py::array>(item);
}

// Row numbers below `limit`, as int64.
inline const Index* read_rows(const py::array& rows, const std::string& name,
                              Index limit) {
  const Index* values = read<Index>(rows, name, {-1});
  const Index n = rows.size();
  Index least = 0, most = 0;
  for (Index i = 0; i < n; ++i) {
    least = std::min(least, values[i]);
    most = std::max(most, values[i]);
  }
  if (least < 0 || (n > 0 && most >= limit))
    throw py::value_error(name + " must hold row numbers from 0 to " +
                          std::to_string(limit - 1) + ", got " +
                          std::to_string(least < 0 ? least : most));
  return values;
}

// A view and what holds its memory.
struct HeldInput {
  InputView view;
  py::object owner;
};

inline bool is_double(const py::array& values, const std::string& name) {
  if (py::isinstance<py::array_t<double>>(values)) return true;
  if (py::isinstance<py::array_t<float>>(values)) return false;
  throw py::type_error(name + " must have the dtype float32 or float64, got " +
                       std::string(py::str(values.dtype())));
}

// float32 or float64 in native byte order, aligned, with any strides.
inline HeldInput dense_input(const py::array& x, const std::string& name,
                             Index columns) {
  check_shape(x, name, {-1, columns});
  if (!is_aligned(x)) throw py::value_error(name + " must be aligned");
  const InputView view{static_cast<const char*>(x.data()),
                       x.shape(0),
                       x.shape(1),
                       x.strides(0),
                       x.strides(1),
                       is_double(x, name)};
  return {view, x};
}

// Whether each row's columns come in order, each but once.
template <class Integer>
bool is_sorted(const py::array& starts, const py::array& indices) {
  const auto* s = static_cast<const Integer*>(starts.data());
  const auto* i = static_cast<const Integer*>(indices.data());
  for (Index row = 0; row + 1 < starts.size(); ++row)
    for (Integer e = s[row] + 1; e < s[row + 1]; ++e)
      if (i[e] <= i[e - 1]) return false;
  return true;
}

template <class Integer>
void check_indices(const py::array& starts, const py::array& indices, Index columns,
                   const std::string& name) {
  const auto* s = static_cast<const Integer*>(starts.data());
  const auto* i = static_cast<const Integer*>(indices.data());
  bool valid = starts.size() > 0 && s[0] == 0 && s[starts.size() - 1] <= indices.size();
  valid = valid && std::is_sorted(s, s + starts.size()) &&
          std::all_of(i, i + s[starts.size() - 1], [columns](Integer column) {
            return column >= 0 && column < columns;
          });
  if (!valid) throw py::value_error(name + " must have valid CSR indices");
}

// SciPy's CSR: its three arrays, with indices of 32 or 64 bits.
inline HeldInput sparse_input(const py::object& x, const std::string& name,
                              Index columns) {
  Shape shape;
  for (const py::handle size : x.attr("shape")) shape.push_back(size.cast<Index>());
  if (shape.size() != 2 || shape[1] != columns)
    throw py::value_error(name + " must have the shape " + text({-1, columns}) +
                          ", got " + text(shape));
  const auto values = x.attr("data").cast<py::array>();
  const auto indices = x.attr("indices").cast<py::array>();
  const auto starts = x.attr("indptr").cast<py::array>();
  const bool long_indices = py::isinstance<py::array_t<std::int64_t>>(indices);
  const auto check = [&]<class Integer>(Integer) {
    check_contiguous<Integer>(indices, name + ".indices");
    check_contiguous<Integer>(starts, name + ".indptr");
    check_shape(starts, name + ".indptr", {shape[0] + 1});
    check_indices<Integer>(starts, indices, columns, name);
    return is_sorted<Integer>(starts, indices);
  };
  const bool sorted = long_indices ? check(std::int64_t{}) : check(std::int32_t{});
  if (!(values.flags() & py::array::c_style) || !is_aligned(values) ||
      values.size() < indices.size())
    throw py::value_error(
        name + ".data must be contiguous, aligned and as long as its indices");
  InputView view;
  view.data = static_cast<const char*>(values.data());
  view.rows = shape[0];
  view.columns = columns;
  view.is_double = is_double(values, name);
  view.row_starts = starts.data();
  view.indices = indices.data();
  view.long_indices = long_indices;
  view.is_sorted = sorted;
  return {view, py::make_tuple(values, indices, starts)};
}

// A user's matrix (n, columns): an array, or sparse in SciPy's CSR.
inline HeldInput input(const py::object& x, const std::string& name, Index columns) {
  if (py::isinstance<py::array>(x))
    return dense_input(x.cast<py::array>(), name, columns);
  if (py::hasattr(x, "indptr") && py::str(x.attr("format")).equal(py::str("csr")))
    return sparse_input(x, name, columns);
  throw py::type_error(name + " must be a NumPy array or a CSR matrix, got " +
                       std::string(py::str(py::type::of(x))));
}

template <class T>
py::array_t<T> matrix(Index rows, Index columns) {
  return py::array_t<T>(Shape{rows, columns});
}

}  // namespace fastmlp::bindings
