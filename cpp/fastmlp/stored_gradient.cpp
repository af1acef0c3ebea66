// Each unit is spread over its layer's arrays.
#include "stored_gradient.hpp"

namespace fastmlp {

template <class T>
void store_gradient(const Pass<T>& pass, const GradientUnit& unit,
                    const std::vector<T*>& gradients, bool add, T* scratch) {
  const auto put = [add](const T* from, Index n, T* to) {
    for (Index i = 0; i < n; ++i) to[i] = add ? to[i] + from[i] : from[i];
  };
  // Each layer with parameters has two trainable arrays: the first is weight or scale.
  const Network& network = pass.network();
  std::size_t first = 0;
  for (Index l = 0; l < unit.layer; ++l)
    if (network.get<Dense>(l) || network.get<BatchNorm>(l)) first += 2;
  const Index in_features = network.width(unit.layer);
  const Index columns = network.width(unit.layer + 1);
  if (network.get<BatchNorm>(unit.layer)) {
    put(pass.batch(unit.layer).scale_gradient.data(), columns, gradients[first]);
    put(pass.batch(unit.layer).shift_gradient.data(), columns, gradients[first + 1]);
    return;
  }
  constexpr Index L = kLanes<T>;
  const auto weights = [&](Range inputs, Index j, const T* block) {
    const Index width = std::min(L, columns - j * L);
    for (Index i = inputs.begin; i < inputs.end; ++i, block += L)
      put(block, width, gradients[first] + i * columns + j * L);
  };
  const auto narrow = [&](Index i, const T* block) {
    const Index width = std::min(L, in_features - i * L);
    for (Index row = 0; row < width; ++row)
      for (Index c = 0; c < unit.dense.narrow; ++c)
        put(block + c * L + row, 1,
            gradients[first] + (i * L + row + 1) * columns - unit.dense.narrow + c);
  };
  const auto biases = [&](Range panels, const T* sums) {
    const Index end = std::min(columns, panels.end * L);
    put(sums, end - panels.begin * L, gradients[first + 1] + panels.begin * L);
  };
  Way<T> nothing;
  pass.sum_gradient(unit, scratch, nothing);
  deliver_gradient(unit.dense, in_features, scratch,
                   GradientSink{weights, narrow, biases});
}

template void store_gradient<float>(const Pass<float>&, const GradientUnit&,
                                    const std::vector<float*>&, bool, float*);
template void store_gradient<double>(const Pass<double>&, const GradientUnit&,
                                     const std::vector<double*>&, bool, double*);

}  // namespace fastmlp
