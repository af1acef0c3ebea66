// The compiled module's table of contents.
#include <pybind11/pybind11.h>

#include "fastmlp/parallel.hpp"

namespace py = pybind11;

namespace fastmlp::bindings {
void bind_families(py::module_& m, py::module_& nn);
void bind_layers(py::module_& nn);
void bind_networks(py::module_& m);
void bind_predictors(py::module_& m);
void bind_random(py::module_& m);
void bind_trainers(py::module_& m);
void bind_update(py::module_& m);
void bind_machine(py::module_& m);
}  // namespace fastmlp::bindings

PYBIND11_MODULE(FASTMLP_CORE, m) {
  fastmlp::watch_forks();
  auto nn = m.def_submodule("nn", "Layers, activations and losses.");
  fastmlp::bindings::bind_layers(nn);
  fastmlp::bindings::bind_families(m, nn);
  fastmlp::bindings::bind_networks(m);
  fastmlp::bindings::bind_predictors(m);
  fastmlp::bindings::bind_random(m);
  fastmlp::bindings::bind_trainers(m);
  fastmlp::bindings::bind_update(m);
  fastmlp::bindings::bind_machine(m);
}
