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

const BitGenerator& bit_generator(const py::capsule& capsule) {
  constexpr const char* name = "BitGenerator";
  if (capsule.name() == nullptr || std::string(capsule.name()) != name)
    throw py::type_error("capsule must be that of a NumPy bit generator");
  return *capsule.get_pointer<BitGenerator>();
}

bool holds_words(const py::capsule& capsule, py::array words, int position) {
  const auto& state =
      *static_cast<const MersenneTwister*>(bit_generator(capsule).state);
  const auto* expected = read<std::uint32_t>(words, "words", {MersenneTwister::size});
  return std::equal(expected, expected + MersenneTwister::size, state.words) &&
         position == state.position;
}

void shuffle(py::array order, const py::capsule& capsule, bool mersenne_twister) {
  Index* rows = write<Index>(order, "order", {-1});
  const BitGenerator& generator = bit_generator(capsule);
  auto* const twister =
      mersenne_twister ? static_cast<MersenneTwister*>(generator.state) : nullptr;
  if (twister && twister->is_valid()) {
    fastmlp::shuffle(rows, order.size(), TwisterDraws(*twister));
  } else {
    fastmlp::shuffle(rows, order.size(),
                     [&generator] { return generator.next_uint32(generator.state); });
  }
}

}  // namespace

void bind_random(py::module_& m) {
  m.def(
      "shuffle", &shuffle, py::arg("order"), py::arg("capsule"),
      py::arg("mersenne_twister"),
      "Shuffle row numbers (int64) in place as NumPy's RandomState does, drawing from "
      "its bit generator, whose lock the caller holds. The state of a Mersenne twister "
      "that holds its words as expected can be used directly, which is faster.");
  m.def("holds_words", &holds_words, py::arg("capsule"), py::arg("words"),
        py::arg("position"),
        "Whether the state of a NumPy bit generator begins with the words of a "
        "Mersenne twister (624 of uint32) and its position in them.");
}

}  // namespace fastmlp::bindings
