// The layers with sizes; activations are bound with their family.
#include "fastmlp/layers/layer.hpp"
#include "members.hpp"

namespace fastmlp::bindings {
namespace {

Index positive(Index value, const char* owner, const char* name) {
  if (value > 0) return value;
  throw std::invalid_argument("the parameter '" + std::string(name) + "' of " + owner +
                              " must be an integer in [1, inf), got " +
                              std::to_string(value));
}

void bind_dense(py::module_& nn) {
  py::class_<Dense> cls(
      nn, Dense::class_name,
      docstring<Dense>("in_features : int in [1, inf)\nout_features : int in [1, inf)\n")
          .c_str());
  cls.def(py::init([](Index in_features, Index out_features) {
            return Dense{positive(in_features, "Dense", "in_features"),
                         positive(out_features, "Dense", "out_features")};
          }),
          py::arg("in_features"), py::arg("out_features"));
  cls.def_property_readonly("in_features", [](const Dense& d) { return d.in_features; });
  cls.def_property_readonly("out_features",
                            [](const Dense& d) { return d.out_features; });
  bind_value(cls, "fastmlp.nn", [](const Dense& d) {
    return py::make_tuple(d.in_features, d.out_features);
  });
}

void bind_batch_norm(py::module_& nn) {
  py::class_<BatchNorm> cls(
      nn, BatchNorm::class_name,
      docstring<BatchNorm>("features : int in [1, inf)\n").c_str());
  const BatchNorm defaults;
  cls.def(py::init([](Index features, double momentum, double eps) {
            const BatchNorm layer{positive(features, "BatchNorm", "features"), momentum,
                                  eps};
            check(layer);
            return layer;
          }),
          py::arg("features"), py::arg("momentum") = defaults.momentum,
          py::arg("eps") = defaults.eps);
  cls.def_property_readonly("features", [](const BatchNorm& b) { return b.features; });
  cls.def_property_readonly("momentum", [](const BatchNorm& b) { return b.momentum; });
  cls.def_property_readonly("eps", [](const BatchNorm& b) { return b.eps; });
  bind_value(cls, "fastmlp.nn", [](const BatchNorm& b) {
    return py::make_tuple(b.features, b.momentum, b.eps);
  });
}

}  // namespace

void bind_layers(py::module_& nn) {
  bind_dense(nn);
  bind_batch_norm(nn);
  bind_member<Dropout>(nn, "fastmlp.nn");
}

}  // namespace fastmlp::bindings
