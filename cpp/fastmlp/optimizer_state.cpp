// An optimizer's state: its plain arrays, slot by slot.
#include "optimizer_state.hpp"

#include <algorithm>

namespace fastmlp {
namespace {

// One slot's arrays in the order of the slices, null where a slice is not trained.
template <class Pointer>
std::vector<Pointer> slot_arrays(const Network& network,
                                 const std::vector<Pointer>& all, std::size_t slot) {
  const std::vector<Slice>& slices = network.slices();
  const auto trainable = std::count_if(slices.begin(), slices.end(),
                                       [](const Slice& s) { return s.trainable; });
  auto next = all.begin() + static_cast<std::ptrdiff_t>(slot) * trainable;
  std::vector<Pointer> arrays;
  for (const Slice& slice : slices)
    arrays.push_back(slice.trainable ? *next++ : nullptr);
  return arrays;
}

}  // namespace

template <class T>
OptimizerState<T>::OptimizerState(Network network, const Optimizer& optimizer)
    : network_(std::move(network)) {
  for (int slot = 0; slot < fastmlp::slots(optimizer); ++slot)
    by_slot_.emplace_back(network_, false, false);
}

template <class T>
void OptimizerState<T>::load(const std::vector<const T*>& arrays) {
  for (std::size_t slot = 0; slot < by_slot_.size(); ++slot)
    by_slot_[slot].load(network_, slot_arrays(network_, arrays, slot));
}

template <class T>
void OptimizerState<T>::save(const std::vector<T*>& arrays) const {
  for (std::size_t slot = 0; slot < by_slot_.size(); ++slot)
    by_slot_[slot].save(network_, slot_arrays(network_, arrays, slot));
}

template class OptimizerState<float>;
template class OptimizerState<double>;

}  // namespace fastmlp
