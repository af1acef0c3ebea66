// The loss over all rows and its gradient, as one function of the parameters: what
// L-BFGS minimizes.
#pragma once

#include <optional>

#include "trainer.hpp"

namespace fastmlp {

// Rows go through in chunks, so that memory does not grow with them; therefore layers
// that depend on the whole batch (batch norm) or draw at random are not for it.
template <class T>
class Objective {
 public:
  struct Settings {
    double alpha = 0;  // L2 penalty on the weights of Dense layers
    int n_threads = 1;
    bool clip = false;  // report losses as scikit-learn does
  };
  Objective(Network network, Loss loss, TrainingData<T> data, const Settings& settings);

  // Writes the gradient with respect to each slice; returns the loss with its L2 term,
  // or nothing if it was told to stop.
  std::optional<double> operator()(const std::vector<const T*>& parameters,
                                   const std::vector<T*>& gradients,
                                   const std::function<bool()>& keep_going);

 private:
  double add_chunk(Range rows, const std::vector<T*>& gradients);
  double add_penalty(const std::vector<const T*>& parameters,
                     const std::vector<T*>& gradients) const;

  Network network_;
  Loss loss_;
  TrainingData<T> data_;
  Settings settings_;
  int n_threads_;
  Crowding crowding_;
  Reporting<T> reporting_;
  double weight_sum_ = 0;

  Parameters<T> parameters_;
  Pass<T> pass_;
  std::vector<GradientUnit> units_;
  std::vector<LossScratch<T>> loss_scratch_;  // by thread
  std::vector<Buffer<T>> gradient_scratch_;   // by thread
  std::vector<double> block_loss_;
};

extern template class Objective<float>;
extern template class Objective<double>;

}  // namespace fastmlp
