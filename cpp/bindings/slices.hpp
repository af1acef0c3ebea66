// Lists of parameter arrays from Python, checked against a network's slices.
#pragma once

#include <string>

#include "arrays.hpp"
#include "fastmlp/network.hpp"

namespace fastmlp::bindings {

enum class Which { all, trainable, buffers };

// One array for each slice; `parse(array, name, shape)` for those asked for, null for
// the others of a list that holds all.
template <class Pointer, class Parse>
std::vector<Pointer> parse_slices(const Network& network, const py::list& list,
                                  Which which, const std::string& name, Parse&& parse) {
  std::vector<Slice> slices = network.slices();
  if (which == Which::trainable)
    std::erase_if(slices, [](const Slice& slice) { return !slice.trainable; });
  if (list.size() != slices.size())
    throw py::value_error(name + " must hold " + std::to_string(slices.size()) +
                          " arrays, got " + std::to_string(list.size()));
  std::vector<Pointer> pointers;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    const Slice& slice = slices[i];
    const bool wanted = which != Which::buffers || !slice.trainable;
    auto array = list[i].cast<py::array>();
    pointers.push_back(
        wanted ? parse(array, name + "['" + slice.name + "']", slice.shape) : nullptr);
  }
  return pointers;
}

template <class T>
std::vector<const T*> read_slices(const Network& network, const py::list& list,
                                  Which which, const std::string& name) {
  return parse_slices<const T*>(network, list, which, name, &read<T>);
}

template <class T>
std::vector<T*> write_slices(const Network& network, const py::list& list, Which which,
                             const std::string& name) {
  return parse_slices<T*>(network, list, which, name, &write<T>);
}

// The network inside a bound object of either precision.
const Network& network_of(const py::object& bound);

}  // namespace fastmlp::bindings
