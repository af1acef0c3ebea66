// What an optimizer keeps of every parameter from step to step.
#pragma once

#include "network.hpp"
#include "optimizers.hpp"

namespace fastmlp {

// By slot, packed as the parameters are, zero at first. It outlives the trainers that
// use it, one at a time, so that nothing is unpacked and packed in between.
template <class T>
class OptimizerState {
 public:
  OptimizerState(Network network, const Optimizer& optimizer)
      : network_(std::move(network)) {
    for (int slot = 0; slot < fastmlp::slots(optimizer); ++slot)
      by_slot_.emplace_back(network_, Layout::packed);
  }

  const Network& network() const { return network_; }
  std::size_t slots() const { return by_slot_.size(); }
  Parameters<T>& slot(std::size_t i) { return by_slot_[i]; }

 private:
  Network network_;
  std::vector<Parameters<T>> by_slot_;
};

}  // namespace fastmlp
