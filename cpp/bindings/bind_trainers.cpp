// Trainers, which hold the arrays that they read, and one elementwise optimizer step.
#include "arrays.hpp"
#include "fastmlp/trainer.hpp"
#include "interrupt.hpp"
#include "members.hpp"
#include "slices.hpp"
#include "targets.hpp"

namespace fastmlp::bindings {
namespace {

// The optimizer's state, slot by slot.
template <class Pointer, class Parse>
std::vector<Pointer> parse_state(const Network& network, const Optimizer& optimizer,
                                 const py::list& state, Parse&& parse) {
  std::vector<Pointer> pointers;
  const std::size_t n = static_cast<std::size_t>(slots(optimizer));
  if (n == 0 || state.size() % n != 0)
    throw py::value_error("state must hold the same number of arrays for each of " +
                          std::to_string(n) + " slots, got " +
                          std::to_string(state.size()));
  const std::size_t per_slot = state.size() / n;
  for (std::size_t slot = 0; slot < n; ++slot) {
    const py::list part(
        state[py::slice(static_cast<py::ssize_t>(slot * per_slot),
                        static_cast<py::ssize_t>((slot + 1) * per_slot), 1)]);
    for (Pointer pointer :
         parse_slices<Pointer>(network, part, Which::trainable, "state", parse))
      pointers.push_back(pointer);
  }
  return pointers;
}

// A trainer and the Python objects whose memory it uses.
template <class T>
class BoundTrainer {
 public:
  BoundTrainer(const py::object& network, const Loss& loss, const Optimizer& optimizer,
               py::array x, const py::object& target, const py::object& sample_weight,
               py::list parameters, py::list state, const TrainerSettings& settings)
      : network_(network_of(network)),
        optimizer_(optimizer),
        x_(std::move(x)),
        view_(input(x_, "x", network_.in_features())),
        targets_(held_targets<T>(loss, target, view_.rows, network_.out_features())),
        weight_(as_weights<T>(sample_weight, view_.rows)),
        parameters_(std::move(parameters)),
        state_(std::move(state)),
        trainer_(network_, loss, optimizer, data(), settings,
                 {read_slices<T>(network_, parameters_, Which::all, "parameters"),
                  parse_state<const T*>(network_, optimizer, state_, &read<T>)}) {
    batch_size_ = settings.batch_size;
  }

  void begin_epoch(py::array order, py::array learning_rates) {
    const Index* rows = read<Index>(order, "order", {-1});
    const Index n = order.size();
    for (Index i = 0; i < n; ++i) {
      if (rows[i] < 0 || rows[i] >= view_.rows)
        throw py::value_error("order must hold row numbers from 0 to " +
                              std::to_string(view_.rows - 1) + ", got " +
                              std::to_string(rows[i]));
    }
    const double* rates =
        read<double>(learning_rates, "learning_rates", {divide_up(n, batch_size_)});
    trainer_.begin_epoch(rows, n, rates);
    order_ = std::move(order);
    learning_rates_ = std::move(learning_rates);
  }

  bool run(double seconds) {
    if (!order_) throw std::runtime_error("begin_epoch must come before run");
    const std::function<bool()> keep_going = until_interrupted();
    auto progress = Trainer<T>::Progress::abandoned;
    {
      // Arrays are held as members; nothing below touches a Python object.
      const py::gil_scoped_release release;
      progress = trainer_.run(seconds, keep_going);
    }
    if (progress == Trainer<T>::Progress::abandoned) throw py::error_already_set();
    return progress == Trainer<T>::Progress::epoch_done;
  }

  void write_back() {
    const TrainerArrays<T*> arrays{
        write_slices<T>(network_, parameters_, Which::all, "parameters"),
        parse_state<T*>(network_, optimizer_, state_, &write<T>)};
    trainer_.save(arrays);
  }

  double loss() const { return trainer_.loss(); }
  std::int64_t step() const { return trainer_.step(); }
  int n_threads() const { return trainer_.n_threads(); }

 private:
  TrainingData<T> data() const {
    const T* weight =
        weight_.is_none() ? nullptr : weight_.template cast<py::array_t<T>>().data();
    return {view_, targets_.view, weight};
  }

  Network network_;
  Optimizer optimizer_;
  py::array x_;
  InputView view_;
  HeldTargets<T> targets_;
  py::object weight_;
  py::list parameters_;
  py::list state_;
  py::array order_;
  py::array learning_rates_;
  Index batch_size_ = 1;
  Trainer<T> trainer_;
};

TrainerSettings settings_from(double alpha, Index batch_size, std::uint64_t seed,
                              std::int64_t step, int n_threads, bool clip) {
  if (batch_size < 1)
    throw py::value_error("batch_size must be at least 1, got " +
                          std::to_string(batch_size));
  if (n_threads < 1)
    throw py::value_error("n_threads must be at least 1, got " +
                          std::to_string(n_threads));
  return {alpha, batch_size, seed, step, n_threads, clip};
}

template <class T>
void bind_trainer(py::module_& m, const char* name, py::dict& registry) {
  using Bound = BoundTrainer<T>;
  auto cls = plain_class<Bound>(m, name, "Mini-batch training, an epoch in pieces.");
  cls.def(py::init([](const py::object& network, const Loss& loss,
                      const Optimizer& optimizer, py::array x, const py::object& target,
                      const py::object& sample_weight, py::list parameters,
                      py::list state, double alpha, Index batch_size,
                      std::uint64_t seed, std::int64_t step, int n_threads, bool clip) {
            return std::make_unique<Bound>(
                network, loss, optimizer, std::move(x), target, sample_weight,
                std::move(parameters), std::move(state),
                settings_from(alpha, batch_size, seed, step, n_threads, clip));
          }),
          py::arg("network"), py::arg("loss"), py::arg("optimizer"), py::arg("x"),
          py::arg("target"), py::arg("sample_weight"), py::arg("parameters"),
          py::arg("state"), py::kw_only(), py::arg("alpha"), py::arg("batch_size"),
          py::arg("seed"), py::arg("step"), py::arg("n_threads"), py::arg("clip"));
  cls.def("begin_epoch", &Bound::begin_epoch, py::arg("order"),
          py::arg("learning_rates"),
          "An epoch over rows `order`, with a learning rate for each batch.");
  cls.def("run", &Bound::run, py::arg("seconds"),
          "Works for about `seconds`; True when the epoch is complete.");
  cls.def("write_back", &Bound::write_back,
          "Writes parameters, running statistics and state into their arrays.");
  cls.def_property_readonly("loss", &Bound::loss);
  cls.def_property_readonly("step", &Bound::step);
  cls.def_property_readonly("n_threads", &Bound::n_threads);
  registry[py::dtype::of<T>()] = cls;
}

// One step on plain arrays: through aligned registers, a piece at a time.
template <class T>
void update_array(const OptimizerRule<T>& rule, T decay, Index n, T* w, const T* g,
                  const std::vector<T*>& state) {
  constexpr Index piece = 1024;
  alignas(kAlignment) T buffer[4][piece];
  std::visit(
      [&]<class Rule>(const Rule& r) {
        static_assert(Rule::slots <= 2);
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
          update(r, decay, padded, buffer[0], buffer[1], s);
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
  const OptimizerRule<T> rule = rule_at<T>(optimizer, learning_rate, step);
  const std::size_t n = parameters.size();
  const std::size_t n_slots = static_cast<std::size_t>(slots(optimizer));
  if (gradients.size() != n || alphas.size() != n || state.size() != n * n_slots)
    throw py::value_error(
        "parameters, gradients, alphas and each slot of state must be of "
        "one length");
  for (std::size_t i = 0; i < n; ++i) {
    auto w = parameters[i].cast<py::array>();
    const Shape shape = shape_of(w);
    std::vector<T*> slot_data;
    for (std::size_t k = 0; k < n_slots; ++k) {
      auto array = state[k * n + i].cast<py::array>();
      slot_data.push_back(write<T>(array, "state", shape));
    }
    update_array<T>(
        rule, static_cast<T>(alphas[i]), w.size(), write<T>(w, "parameters", shape),
        read<T>(gradients[i].cast<py::array>(), "gradients", shape), slot_data);
  }
}

}  // namespace

void bind_trainers(py::module_& m) {
  py::dict trainers;
  bind_trainer<float>(m, "TrainerF32", trainers);
  bind_trainer<double>(m, "TrainerF64", trainers);
  m.attr("trainers") = trainers;
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
