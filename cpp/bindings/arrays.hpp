// NumPy arrays as the library sees them, and every check of an array. Nothing is copied
// silently: an array that does not fit is refused.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <sstream>
#include <string>
#include <vector>

#include "fastmlp/kernels/panels.hpp"

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

inline Shape shape_of(const py::array& array) {
  return Shape(array.shape(), array.shape() + array.ndim());
}

// Throws ValueError unless the shape is `expected`, where -1 stands for any size.
inline void check_shape(const py::array& array, const std::string& name,
                        const Shape& expected) {
  const Shape shape = shape_of(array);
  bool fits = shape.size() == expected.size();
  for (std::size_t i = 0; fits && i < shape.size(); ++i)
    fits = expected[i] < 0 || shape[i] == expected[i];
  if (!fits)
    throw py::value_error(name + " must have the shape " + text(expected) + ", got " +
                          text(shape));
}

template <class T>
void check_contiguous(const py::array& array, const std::string& name) {
  if (!py::isinstance<py::array_t<T>>(array))
    throw py::type_error(name + " must have the dtype " +
                         std::string(py::str(py::dtype::of<T>())) + ", got " +
                         std::string(py::str(array.dtype())));
  if (!(array.flags() & py::array::c_style))
    throw py::value_error(name + " must be C-contiguous");
}

template <class T>
const T* read(const py::array& array, const std::string& name, const Shape& shape) {
  check_shape(array, name, shape);
  check_contiguous<T>(array, name);
  return static_cast<const T*>(array.data());
}

template <class T>
T* write(py::array& array, const std::string& name, const Shape& shape) {
  read<T>(array, name, shape);
  if (!array.writeable()) throw py::value_error(name + " must be writable");
  return static_cast<T*>(array.mutable_data());
}

// A user's matrix (any rows, columns): float32 or float64 in native byte order,
// aligned, with any strides.
inline InputView input(const py::array& x, const std::string& name, Index columns) {
  check_shape(x, name, {-1, columns});
  const bool is_double = py::isinstance<py::array_t<double>>(x);
  if (!is_double && !py::isinstance<py::array_t<float>>(x))
    throw py::type_error(name + " must have the dtype float32 or float64, got " +
                         std::string(py::str(x.dtype())));
  if (!(x.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_))
    throw py::value_error(name + " must be aligned");
  return {static_cast<const char*>(x.data()),
          x.shape(0),
          x.shape(1),
          x.strides(0),
          x.strides(1),
          is_double};
}

template <class T>
py::array_t<T> matrix(Index rows, Index columns) {
  return py::array_t<T>(Shape{rows, columns});
}

}  // namespace fastmlp::bindings
