// Passes outside a trainer: forward and backward for those who write their own training
// loop.
#pragma once

#include "pass.hpp"

namespace fastmlp {

// One batch's way through a network and back; holds what the way back needs, the
// weights as they were included.
template <class T>
class Propagation {
 public:
  Propagation(Network network, Index rows, const std::vector<const T*>& parameters);

  struct Mode {
    bool training = false;
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
  };
  // Raw outputs (rows, outputs) into `to`; false if it was told to stop.
  bool forward(const InputView& x, const Mode& mode, T* to, const Execution& execution);

  // After a training pass: the running statistics; `arrays` as Network::slices(), where
  // only those that are not trainable are written.
  void save_statistics(const std::vector<T*>& arrays);

  // From the gradient with respect to the raw outputs: those of the trainable slices,
  // in their order, and that of the input; false if it was told to stop.
  bool backward(const T* gradient, const std::vector<T*>& gradients, T* input_gradient,
                const Execution& execution);

  const Network& network() const { return network_; }
  Index rows() const { return rows_; }

 private:
  int threads(const Execution& execution) const;

  Network network_;
  Index rows_;
  Parameters<T> parameters_;
  Pass<T> pass_;
};

extern template class Propagation<float>;
extern template class Propagation<double>;

}  // namespace fastmlp
