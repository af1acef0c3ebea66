// Targets and sample weights from Python, converted to what a loss reads.
#pragma once

#include <algorithm>

#include "arrays.hpp"
#include "fastmlp/criterion.hpp"

namespace fastmlp::bindings {

// A view and the array that it looks at.
template <class T>
struct HeldTargets {
  Targets<T> view;
  py::array array;
};

// As numpy.asarray.
inline py::array as_array(const py::object& object) {
  return py::module_::import("numpy").attr("asarray")(object).cast<py::array>();
}

// Real numbers (bool, integer, float) as a C-contiguous array of T; TypeError
// otherwise.
template <class T>
py::array real_array(const py::object& object, const std::string& name) {
  const py::array array = as_array(object);
  if (std::string("biuf").find(array.dtype().kind()) == std::string::npos)
    throw py::type_error(name + " must hold real numbers, got the dtype " +
                         std::string(py::str(array.dtype())));
  return py::array_t<T, py::array::c_style | py::array::forcecast |
                            py::detail::npy_api::NPY_ARRAY_ALIGNED_>(array);
}

inline py::array labels_array(const py::array& array, Index outputs) {
  const py::array labels = real_array<std::int64_t>(array, "target");
  const auto* values = static_cast<const std::int64_t*>(labels.data());
  for (Index i = 0; i < labels.size(); ++i) {
    if (values[i] < 0 || values[i] >= outputs)
      throw py::value_error("target must hold labels from 0 to " +
                            std::to_string(outputs - 1) + ", got " +
                            std::to_string(values[i]));
  }
  return labels;
}

template <class T>
void check_values(const py::array& array, const Bounds& bounds) {
  if (bounds.low == -kInfinity && bounds.high == kInfinity) return;
  const auto* values = static_cast<const T*>(array.data());
  for (Index i = 0; i < array.size(); ++i) {
    if (!bounds.contains(static_cast<double>(values[i])))
      throw py::value_error("target must hold values in " + bounds.text() + ", got " +
                            std::to_string(values[i]));
  }
}

// Integer labels (rows,) where the loss takes them, else values (rows, outputs), which
// may be (rows,) for one output. Copies only what has another dtype or layout.
template <class T>
HeldTargets<T> held_targets(const Loss& loss, const py::object& target, Index rows,
                            Index outputs) {
  const py::array array = as_array(target);
  const bool takes_labels =
      std::visit([](const auto& member) { return member.takes_labels; }, loss);
  const bool integers =
      std::string("biu").find(array.dtype().kind()) != std::string::npos;
  HeldTargets<T> held;
  if (takes_labels && array.ndim() == 1) {
    check_shape(array, "target", {rows});
    if (!integers)
      throw py::type_error("target must hold integer labels, got the dtype " +
                           std::string(py::str(array.dtype())));
    held.array = labels_array(array, outputs);
    held.view.labels = static_cast<const std::int64_t*>(held.array.data());
    return held;
  }
  check_shape(array, "target",
              array.ndim() == 1 && outputs == 1 ? Shape{rows} : Shape{rows, outputs});
  held.array = real_array<T>(array, "target");
  check_values<T>(held.array,
                  std::visit([](const auto& member) { return member.targets; }, loss));
  held.view.values = static_cast<const T*>(held.array.data());
  return held;
}

// None, or an array of T (rows,).
template <class T>
py::object as_weights(const py::object& sample_weight, Index rows) {
  if (sample_weight.is_none()) return py::none();
  py::array weights = real_array<T>(sample_weight, "sample_weight");
  check_shape(weights, "sample_weight", {rows});
  return weights;
}

}  // namespace fastmlp::bindings
