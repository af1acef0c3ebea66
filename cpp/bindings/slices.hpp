// Lists of parameter arrays from Python, checked against a network's slices.
#pragma once

#include <algorithm>
#include <string>

#include "arrays.hpp"
#include "fastmlp/network.hpp"

namespace fastmlp::bindings {

enum class Which { all, trainable, buffers };

// The name of an array in a list, put together only where a message needs it.
struct ArrayName {
  const std::string& list;
  const std::string& slice;
  operator std::string() const { return list + "['" + slice + "']"; }
};

// One array for each slice that the list holds: `parse(array, name, shape)`, or null
// where it is not asked for.
template <class Pointer, class Parse>
std::vector<Pointer> parse_slices(const Network& network, const py::list& list,
                                  Which which, const std::string& name, Parse&& parse) {
  std::vector<Pointer> pointers;
  std::size_t next = 0;
  for (const Slice& slice : network.slices()) {
    if (which == Which::trainable && !slice.trainable) continue;
    if (next == list.size()) break;
    py::array array = array_at(list, next++, name);
    const bool wanted = which != Which::buffers || !slice.trainable;
    pointers.push_back(wanted ? parse(array, ArrayName{name, slice.name}, slice.shape)
                              : nullptr);
  }
  const auto expected = std::count_if(
      network.slices().begin(), network.slices().end(),
      [which](const Slice& s) { return which != Which::trainable || s.trainable; });
  if (list.size() != static_cast<std::size_t>(expected))
    throw py::value_error(name + " must hold " + std::to_string(expected) +
                          " arrays, got " + std::to_string(list.size()));
  return pointers;
}

template <class T>
std::vector<const T*> read_slices(const Network& network, const py::list& list,
                                  Which which, const std::string& name) {
  return parse_slices<const T*>(network, list, which, name, &read<T, ArrayName>);
}

template <class T>
std::vector<T*> write_slices(const Network& network, const py::list& list, Which which,
                             const std::string& name) {
  return parse_slices<T*>(network, list, which, name, &write<T, ArrayName>);
}

// The network inside a bound object of either precision.
const Network& network_of(const py::object& bound);

}  // namespace fastmlp::bindings
