// The gradient of a pass in plain arrays, for those who take their own steps.
#pragma once

#include "pass.hpp"

namespace fastmlp {

// One unit of the gradient with respect to the parameters, once all blocks are back,
// into arrays, one for each trainable slice in their order; or added to what they hold.
template <class T>
void store_gradient(const Pass<T>& pass, const GradientUnit& unit,
                    const std::vector<T*>& gradients, bool add, T* scratch);

extern template void store_gradient<float>(const Pass<float>&, const GradientUnit&,
                                           const std::vector<float*>&, bool, float*);
extern template void store_gradient<double>(const Pass<double>&, const GradientUnit&,
                                            const std::vector<double*>&, bool, double*);

}  // namespace fastmlp
