// A batch's way up and down, and the gradient's units stored in plain arrays.
#include "propagation.hpp"

#include "stored_gradient.hpp"

namespace fastmlp {

template <class T>
Propagation<T>::Propagation(Network network, Index rows,
                            const std::vector<const T*>& parameters)
    : network_(std::move(network)),
      rows_(rows),
      parameters_(network_, Layout::both_ways, true),
      pass_(network_, rows, Pass<T>::Purpose::gradients_of_input_too) {
  parameters_.load(network_, parameters);
}

template <class T>
int Propagation<T>::threads(const Execution& execution) const {
  return gradient_threads<T>(network_, rows_, execution.n_threads);
}

template <class T>
bool Propagation<T>::forward(const InputView& x, const Mode& mode, T* to,
                             const Execution& execution) {
  pass_.watch(execution.keep_going);
  pass_.begin({rows_, mode.training, mode.seed, mode.step, nullptr}, parameters_,
              {x, nullptr, rows_});
  run_team(threads(execution), [&](const Member& member) {
    pass_.forward(
        member, [&](const RowBlocks& blocks, Way<T>&) { pass_.fill(blocks); },
        [&](const RowBlocks& blocks, Way<T>&) {
          unpack(pass_.output(blocks.rows), blocks.rows, to);
        });
  });
  return !pass_.abandoned();
}

template <class T>
void Propagation<T>::save_statistics(const std::vector<T*>& arrays) {
  pass_.commit(parameters_);
  std::size_t array = 0;
  for (Index l = 0; l < network_.size(); ++l) {
    if (network_.template get<Dense>(l)) array += 2;
    if (const auto* norm = network_.template get<BatchNorm>(l)) {
      const auto& state = parameters_.template get<BatchNormState<T>>(l);
      std::copy_n(state.mean.data(), norm->features, arrays[array + 2]);
      std::copy_n(state.variance.data(), norm->features, arrays[array + 3]);
      array += 4;
    }
  }
}

template <class T>
bool Propagation<T>::backward(const T* gradient, const std::vector<T*>& gradients,
                              T* input_gradient, const Execution& execution) {
  pass_.watch(execution.keep_going);
  pass_.resume();
  const std::vector<GradientUnit> units = gradient_units<T>(network_);
  std::vector<Buffer<T>> scratch;
  for (int i = 0; i < threads(execution); ++i) scratch.emplace_back(kUnitSize<T>);
  run_team(threads(execution), [&](const Member& member) {
    pass_.each_row_blocks(member, [&](const RowBlocks& blocks, Way<T>& way) {
      pack(gradient, blocks.rows, pass_.output_gradient(blocks.rows));
      pass_.backward_top(blocks, way);
    });
    pass_.backward_rest(member);
    member.barrier([] {});
    if (pass_.abandoned()) return;
    member.each(static_cast<Index>(units.size()), [&](Index u) {
      store_gradient(pass_, units[static_cast<std::size_t>(u)], gradients, false,
                     scratch[static_cast<std::size_t>(member.index)].data());
    });
  });
  if (pass_.abandoned()) return false;
  const Range rows{0, rows_};
  unpack(pass_.input_gradient(rows), rows, input_gradient);
  return true;
}

template class Propagation<float>;
template class Propagation<double>;

}  // namespace fastmlp
