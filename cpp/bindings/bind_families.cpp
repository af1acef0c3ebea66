// Activations, losses and optimizers, and what a loss does on arrays.
#include "arrays.hpp"
#include "fastmlp/activations.hpp"
#include "fastmlp/criterion.hpp"
#include "fastmlp/optimizers.hpp"
#include "members.hpp"
#include "targets.hpp"

namespace fastmlp::bindings {
namespace {

// Calls f with `output` as a C-contiguous matrix of float where it holds float32, of
// double otherwise; copies only what has another dtype or layout.
template <class F>
py::object with_outputs(const py::object& object, F&& f) {
  const py::array array = as_array(object);
  const bool is_float = py::isinstance<py::array_t<float>>(array);
  const py::array output = is_float ? real_array<float>(array, "output")
                                    : real_array<double>(array, "output");
  check_shape(output, "output", {-1, -1});
  if (output.size() == 0)
    throw py::value_error("output must have rows and columns, got the shape " +
                          text(shape_of(output)));
  return is_float ? f(py::array_t<float>(output)) : f(py::array_t<double>(output));
}

template <class T>
PanelBuffer<T> in_panels(const py::array_t<T>& output) {
  PanelBuffer<T> panels(output.shape(0), output.shape(1));
  pack(output.data(), {0, output.shape(0)}, panels.panels);
  return panels;
}

template <class T>
py::object value_and_gradient_of(const Loss& loss, const py::array_t<T>& output,
                                 const py::object& target,
                                 const py::object& sample_weight) {
  const PanelBuffer<T> z = in_panels(output);
  const Index rows = output.shape(0);
  const HeldTargets<T> targets = held_targets<T>(loss, target, rows, output.shape(1));
  const py::object held_weight = as_weights<T>(sample_weight, rows);
  const T* weight =
      held_weight.is_none() ? nullptr : held_weight.cast<py::array_t<T>>().data();
  double sum = weight ? 0 : static_cast<double>(rows);
  for (Index i = 0; weight && i < rows; ++i) sum += static_cast<double>(weight[i]);
  const T scale = sum == 0 ? T(0) : static_cast<T>(1 / sum);
  const LossScratch<T> scratch(output.shape(1));
  const double value =
      value_and_gradient<T>(loss, z.panels, {0, rows}, targets.view, nullptr, weight,
                            scale, Reporting<T>::plain(), z.panels, scratch);
  auto gradient = matrix<T>(rows, output.shape(1));
  unpack(z.panels, {0, rows}, gradient.mutable_data());
  return py::make_tuple(sum == 0 ? 0 : value / sum, gradient);
}

template <class Cls>
void bind_loss(Cls& cls) {
  using Member = typename Cls::type;
  cls.def(
      "__call__",
      [](const Member& loss, const py::object& output, const py::object& target,
         const py::object& sample_weight) {
        return with_outputs(output, [&]<class T>(const py::array_t<T>& z) {
          return value_and_gradient_of<T>(loss, z, target, sample_weight);
        });
      },
      py::arg("output"), py::arg("target"), py::arg("sample_weight") = py::none(),
      "The loss of raw outputs (n, outputs) as a float, and its gradient with respect "
      "to\n"
      "them, of the same shape; computed in float32 for a float32 array, in float64\n"
      "otherwise. With `sample_weight` (n,) the mean over rows is weighted.");
  cls.def(
      "predict",
      [](const Member& loss, const py::object& output) {
        return with_outputs(output, [&]<class T>(const py::array_t<T>& z) {
          const PanelBuffer<T> panels = in_panels(z);
          auto prediction = matrix<T>(z.shape(0), z.shape(1));
          fastmlp::predict<T>(loss, panels.panels, {0, z.shape(0)},
                              prediction.mutable_data(), LossScratch<T>(z.shape(1)));
          return py::object(prediction);
        });
      },
      py::arg("output"),
      "What raw outputs (n, outputs) predict: the inverse of the loss's link.");
}

}  // namespace

void bind_families(py::module_& m, py::module_& nn) {
  bind_family<Activation>(m, nn, "activations", "fastmlp.nn", [](auto&) {});
  bind_family<Loss>(m, nn, "losses", "fastmlp.nn", [](auto& cls) { bind_loss(cls); });
  bind_family<Optimizer>(m, m, "optimizers", "fastmlp._core", [](auto& cls) {
    using Member = typename std::decay_t<decltype(cls)>::type;
    cls.def_property_readonly("slots", [](const Member&) { return Member::slots; });
  });
}

}  // namespace fastmlp::bindings
