// Shuffles and uniform numbers from NumPy's own generator.
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

MersenneTwister& twister_of(const BitGenerator& generator) {
  auto& twister = *static_cast<MersenneTwister*>(generator.state);
  if (!twister.is_valid())
    throw py::value_error(
        "the position in a Mersenne twister must be in [0, 624], got " +
        std::to_string(twister.position));
  return twister;
}

void shuffle(py::array order, const py::capsule& capsule, bool mersenne_twister) {
  Index* rows = write<Index>(order, "order", {-1});
  const BitGenerator& generator = bit_generator(capsule);
  if (mersenne_twister) {
    fastmlp::shuffle(rows, order.size(), TwisterDraws(twister_of(generator)));
  } else {
    fastmlp::shuffle(rows, order.size(),
                     [&generator] { return generator.next_uint32(generator.state); });
  }
}

template <class T>
void fill(py::array& numbers, double low, double range, MersenneTwister& twister) {
  T* const to = write<T>(numbers, "numbers", {-1});
  TwisterDraws draws(twister);
  fastmlp::uniform(to, numbers.size(), low, range, draws);
}

void uniform(py::array numbers, double low, double high, const py::capsule& capsule) {
  MersenneTwister& twister = twister_of(bit_generator(capsule));
  const bool in_double = is_double(numbers, "numbers");
  (in_double ? fill<double> : fill<float>)(numbers, low, high - low, twister);
}

}  // namespace

void bind_random(py::module_& m) {
  m.def(
      "shuffle", &shuffle, py::arg("order"), py::arg("capsule"),
      py::arg("mersenne_twister"),
      "Shuffle row numbers (int64) in place as NumPy's RandomState does, drawing from "
      "its bit generator, whose lock the caller holds. The state of a Mersenne twister "
      "that holds its words as expected can be used directly, which is faster.");
  m.def(
      "uniform", &uniform, py::arg("numbers"), py::arg("low"), py::arg("high"),
      py::arg("capsule"),
      "Draw numbers (float32 or float64) in place as NumPy's RandomState.uniform does, "
      "from the state of its bit generator, which must be an MT19937 laid out as "
      "`holds_words` looks for, and whose lock the caller holds.");
  m.def("holds_words", &holds_words, py::arg("capsule"), py::arg("words"),
        py::arg("position"),
        "Whether the state of a NumPy bit generator begins with the words of a "
        "Mersenne twister (624 of uint32) and its position in them.");
}

}  // namespace fastmlp::bindings
