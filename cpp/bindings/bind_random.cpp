// Shuffling with NumPy's own random numbers.
#include <pybind11/pybind11.h>

#include "arrays.hpp"
#include "fastmlp/random.hpp"

namespace py = pybind11;

namespace fastmlp::bindings {
namespace {

// What a NumPy bit generator's capsule holds: NumPy's C interface for random numbers,
// numpy/random/bitgen.h.
struct BitGenerator {
  void* state;
  std::uint64_t (*next_uint64)(void*);
  std::uint32_t (*next_uint32)(void*);
  double (*next_double)(void*);
  std::uint64_t (*next_raw)(void*);
};

void shuffle(py::array order, const py::capsule& capsule) {
  constexpr const char* name = "BitGenerator";
  if (capsule.name() == nullptr || std::string(capsule.name()) != name)
    throw py::type_error("capsule must be that of a NumPy bit generator");
  Index* rows = write<Index>(order, "order", {-1});
  const auto* generator = capsule.get_pointer<BitGenerator>();
  fastmlp::shuffle(rows, order.size(),
                   [generator] { return generator->next_uint32(generator->state); });
}

}  // namespace

void bind_random(py::module_& m) {
  m.def(
      "shuffle", &shuffle, py::arg("order"), py::arg("capsule"),
      "Shuffle row numbers (int64) in place as NumPy's RandomState does, drawing from "
      "its bit generator, whose lock the caller holds.");
}

}  // namespace fastmlp::bindings
