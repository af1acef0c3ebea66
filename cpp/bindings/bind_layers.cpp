// The layers that are not activations; those are bound with their family.
#include "fastmlp/layers/layer.hpp"
#include "members.hpp"

namespace fastmlp::bindings {

void bind_layers(py::module_& nn) {
  bind_member<Dense>(nn, "fastmlp.nn");
  bind_member<BatchNorm>(nn, "fastmlp.nn");
  bind_member<Dropout>(nn, "fastmlp.nn");
}

}  // namespace fastmlp::bindings
