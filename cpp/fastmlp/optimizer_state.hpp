// What an optimizer keeps of every parameter from step to step.
#pragma once

#include "network.hpp"
#include "optimizers.hpp"

namespace fastmlp {

// By slot, packed as the parameters are, zero at first. It outlives the trainers that
// use it, one after the other, so that nothing is unpacked and packed in between.
template <class T>
class OptimizerState {
 public:
  OptimizerState(Network network, const Optimizer& optimizer);

  const Network& network() const { return network_; }
  int slots() const { return static_cast<int>(by_slot_.size()); }
  Parameters<T>& slot(std::size_t i) { return by_slot_[i]; }

  // Plain arrays, of all trainable slices for the first slot, then for the next one.
  void load(const std::vector<const T*>& arrays);
  void save(const std::vector<T*>& arrays) const;

 private:
  Network network_;
  std::vector<Parameters<T>> by_slot_;
};

extern template class OptimizerState<float>;
extern template class OptimizerState<double>;

}  // namespace fastmlp
