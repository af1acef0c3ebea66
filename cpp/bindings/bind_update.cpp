// One elementwise optimizer step on plain arrays, for those who write their own loop.
#include "arrays.hpp"
#include "fastmlp/kernels/float_mode.hpp"
#include "fastmlp/optimizers.hpp"
#include "members.hpp"

namespace fastmlp::bindings {
namespace {

// One step on plain arrays: through aligned registers, a piece at a time.
template <class T>
void update_array(const OptimizerRule<T>& rule, T alpha, Index n, T* w, const T* g,
                  const std::vector<T*>& state) {
  constexpr Index piece = 1024;
  std::visit(
      [&]<class Rule>(const Rule& r) {
        alignas(kAlignment) T buffer[2 + Rule::slots][piece];
        for (Index i = 0; i < n; i += piece) {
          const Index size = std::min(piece, n - i);
          const Index padded = round_up(size, kLanes<T>);
          for (auto& part : buffer) std::fill_n(part, padded, T(0));
          std::copy_n(w + i, size, buffer[0]);
          std::copy_n(g + i, size, buffer[1]);
          std::array<T*, Rule::slots> s;
          for (std::size_t k = 0; k < s.size(); ++k) {
            s[k] = buffer[2 + k];
            std::copy_n(state[k] + i, size, s[k]);
          }
          Vec<T> squares(0);
          update(r, GradientForm<T>{T(1), alpha}, padded, buffer[0], buffer[1], s,
                 squares);
          std::copy_n(buffer[0], size, w + i);
          for (std::size_t k = 0; k < s.size(); ++k)
            std::copy_n(s[k], size, state[k] + i);
        }
      },
      rule);
}

template <class T>
void update_all(const Optimizer& optimizer, py::list parameters, py::list gradients,
                py::list state, const std::vector<double>& alphas, double learning_rate,
                std::int64_t step) {
  const FlushToZero flushed;  // as a trainer does
  const OptimizerRule<T> rule = rule_at<T>(optimizer, learning_rate, step);
  const std::size_t n = parameters.size();
  const std::size_t n_slots = static_cast<std::size_t>(slots(optimizer));
  if (gradients.size() != n || alphas.size() != n || state.size() != n * n_slots)
    throw py::value_error(
        "parameters, gradients, alphas and each slot of state must be of "
        "one length");
  for (std::size_t i = 0; i < n; ++i) {
    py::array w = array_at(parameters, i, "parameters");
    const Shape shape = shape_of(w);
    std::vector<T*> slot_data;
    for (std::size_t k = 0; k < n_slots; ++k) {
      py::array array = array_at(state, k * n + i, "state");
      slot_data.push_back(write<T>(array, "state", shape));
    }
    update_array<T>(
        rule, static_cast<T>(alphas[i]), w.size(), write<T>(w, "parameters", shape),
        read<T>(array_at(gradients, i, "gradients"), "gradients", shape), slot_data);
  }
}

}  // namespace

void bind_update(py::module_& m) {
  m.def(
      "update",
      [](const Optimizer& optimizer, py::list parameters, py::list gradients,
         py::list state, const std::vector<double>& alphas, double learning_rate,
         std::int64_t step) {
        const bool is_float =
            parameters.size() > 0 && py::isinstance<py::array_t<float>>(parameters[0]);
        (is_float ? update_all<float> : update_all<double>)(optimizer, parameters,
                                                            gradients, state, alphas,
                                                            learning_rate, step);
      },
      py::arg("optimizer"), py::arg("parameters"), py::arg("gradients"),
      py::arg("state"), py::arg("alphas"), py::kw_only(), py::arg("learning_rate"),
      py::arg("step"),
      "One step of an optimizer on plain arrays, in place; `step` counts from 1.");
}

}  // namespace fastmlp::bindings
