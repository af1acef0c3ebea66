// Trainers, what optimizers keep, and objectives, which hold the arrays that they read.
#include "arrays.hpp"
#include "fastmlp/objective.hpp"
#include "interrupt.hpp"
#include "members.hpp"
#include "slices.hpp"
#include "targets.hpp"

namespace fastmlp::bindings {
namespace {

// For every slot, a pointer to each slice's array (null where it is not trained), which
// `next(slice)` returns.
template <class Pointer, class T, class Next>
std::vector<std::vector<Pointer>> by_slot(const OptimizerState<T>& state, Next&& next) {
  std::vector<std::vector<Pointer>> pointers(state.slots());
  for (auto& slot : pointers)
    for (const Slice& slice : state.network().slices())
      slot.push_back(slice.trainable ? next(slice) : nullptr);
  return pointers;
}

template <class T>
void load(OptimizerState<T>& state, const py::list& arrays) {
  const std::string name = "arrays";
  const std::vector<Slice>& slices = state.network().slices();
  const auto trained = std::count_if(slices.begin(), slices.end(),
                                     [](const Slice& s) { return s.trainable; });
  const std::size_t expected = state.slots() * static_cast<std::size_t>(trained);
  if (arrays.size() != expected)
    throw py::value_error(name + " must hold " + std::to_string(expected) +
                          " arrays, got " + std::to_string(arrays.size()));
  std::size_t i = 0;
  const auto pointers = by_slot<const T*>(state, [&](const Slice& slice) {
    return read<T>(array_at(arrays, i++, name), ArrayName{name, slice.name},
                   slice.shape);
  });
  for (std::size_t slot = 0; slot < state.slots(); ++slot)
    state.slot(slot).load(state.network(), pointers[slot]);
}

template <class T>
py::list arrays(OptimizerState<T>& state) {
  py::list list;
  const auto pointers = by_slot<T*>(state, [&](const Slice& slice) {
    py::array_t<T> array(slice.shape);
    list.append(array);
    return array.mutable_data();
  });
  for (std::size_t slot = 0; slot < state.slots(); ++slot)
    state.slot(slot).save(state.network(), pointers[slot]);
  return list;
}

template <class T>
void bind_state(py::module_& m, const char* name, py::dict& registry) {
  using State = OptimizerState<T>;
  auto cls = plain_class<State>(m, name,
                                "What an optimizer keeps of a network's parameters, "
                                "zero at first; for one trainer at a time.");
  cls.def(py::init([](const py::object& network, const Optimizer& optimizer) {
            return std::make_unique<State>(network_of(network), optimizer);
          }),
          py::arg("network"), py::arg("optimizer"));
  cls.def("load", &load<T>, py::arg("arrays"),
          "Reads arrays such as `arrays()` returns.");
  cls.def("arrays", &arrays<T>,
          "The arrays of all trainable parameters for slot 0, then for slot 1.");
  registry[py::dtype::of<T>()] = cls;
}

// The state in `object`, where it is one of this network and optimizer.
template <class T>
OptimizerState<T>& state_of(const py::object& object, const Network& network,
                            const Optimizer& optimizer) {
  if (!py::isinstance<OptimizerState<T>>(object))
    throw py::type_error("state must be one of the network's precision, got " +
                         std::string(py::str(py::type::of(object))));
  auto& state = object.cast<OptimizerState<T>&>();
  if (state.network().slices() != network.slices() ||
      state.slots() != static_cast<std::size_t>(slots(optimizer)))
    throw py::value_error(
        "state must be that of a network with the same parameters "
        "and of an optimizer with as many slots");
  return state;
}

template <class T>
TrainingData<T> data(const HeldInput& x, const HeldTargets<T>& targets,
                     const py::object& weight) {
  return {x.view, targets.view,
          weight.is_none() ? nullptr : weight.cast<py::array_t<T>>().data()};
}

// A trainer and the Python objects whose memory it uses.
template <class T>
class BoundTrainer {
 public:
  BoundTrainer(const py::object& network, const Loss& loss, const Optimizer& optimizer,
               const py::object& x, const py::object& target,
               const py::object& sample_weight, py::list parameters, py::object state,
               const TrainerSettings& settings)
      : network_(network_of(network)),
        x_(input(x, "x", network_.in_features())),
        targets_(held_targets<T>(loss, target, x_.view.rows, network_.out_features())),
        weight_(as_weights<T>(sample_weight, x_.view.rows)),
        parameters_(std::move(parameters)),
        state_(std::move(state)),
        trainer_(network_, loss, optimizer, data(x_, targets_, weight_), settings,
                 read_slices<T>(network_, parameters_, Which::all, "parameters"),
                 state_of<T>(state_, network_, optimizer)) {}

  void begin_epoch(py::array order, py::array learning_rates) {
    const Index* rows = read_rows(order, "order", x_.view.rows);
    const Index n = order.size();
    const double* rates = read<double>(learning_rates, "learning_rates",
                                       {divide_up(n, trainer_.batch_size())});
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
    trainer_.save(write_slices<T>(network_, parameters_, Which::all, "parameters"));
  }

  double loss() const { return trainer_.loss(); }
  std::int64_t step() const { return trainer_.step(); }
  int n_threads() const { return trainer_.n_threads(); }

 private:
  Network network_;
  HeldInput x_;
  HeldTargets<T> targets_;
  py::object weight_;
  py::list parameters_;
  py::object state_;
  py::object order_;  // null before the first epoch
  py::object learning_rates_;
  Trainer<T> trainer_;
};

double penalty(double alpha) {
  if (!Bounds{0, kInfinity}.contains(alpha))
    throw py::value_error("alpha must be in [0, inf), got " + std::to_string(alpha));
  return alpha;
}

template <class T>
void bind_trainer(py::module_& m, const char* name, py::dict& registry) {
  using Bound = BoundTrainer<T>;
  auto cls = plain_class<Bound>(m, name, "Mini-batch training, an epoch in pieces.");
  cls.def(
      py::init([](const py::object& network, const Loss& loss,
                  const Optimizer& optimizer, const py::object& x,
                  const py::object& target, const py::object& sample_weight,
                  py::list parameters, py::object state, double alpha, Index batch_size,
                  std::uint64_t seed, std::int64_t step, int n_threads, bool clip) {
        return std::make_unique<Bound>(
            network, loss, optimizer, x, target, sample_weight, std::move(parameters),
            std::move(state),
            TrainerSettings{penalty(alpha), positive(batch_size, "batch_size"), seed,
                            step, checked_threads(n_threads), clip});
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
          "Writes parameters and running statistics into their arrays.");
  cls.def_property_readonly("loss", &Bound::loss);
  cls.def_property_readonly("step", &Bound::step);
  cls.def_property_readonly("n_threads", &Bound::n_threads);
  registry[py::dtype::of<T>()] = cls;
}

// The objective of L-BFGS and the Python objects whose memory it uses.
template <class T>
class BoundObjective {
 public:
  using Settings = typename Objective<T>::Settings;

  BoundObjective(const py::object& network, const Loss& loss, const py::object& x,
                 const py::object& target, const py::object& sample_weight,
                 const Settings& settings)
      : network_(network_of(network)),
        x_(input(x, "x", network_.in_features())),
        targets_(held_targets<T>(loss, target, x_.view.rows, network_.out_features())),
        weight_(as_weights<T>(sample_weight, x_.view.rows)),
        objective_(network_, loss, data(x_, targets_, weight_), settings) {}

  double operator()(py::list parameters, py::list gradients) {
    const auto from = read_slices<T>(network_, parameters, Which::all, "parameters");
    const auto to = write_slices<T>(network_, gradients, Which::trainable, "gradients");
    const std::function<bool()> keep_going = until_interrupted();
    std::optional<double> loss;
    {
      // Arrays are held as members or by the caller.
      const py::gil_scoped_release release;
      loss = objective_(from, to, keep_going);
    }
    if (!loss) throw py::error_already_set();
    return *loss;
  }

 private:
  Network network_;
  HeldInput x_;
  HeldTargets<T> targets_;
  py::object weight_;
  Objective<T> objective_;
};

template <class T>
void bind_objective(py::module_& m, const char* name, py::dict& registry) {
  using Bound = BoundObjective<T>;
  auto cls = plain_class<Bound>(
      m, name, "The loss over all rows and its gradient, as L-BFGS asks for them.");
  cls.def(
      py::init([](const py::object& network, const Loss& loss, const py::object& x,
                  const py::object& target, const py::object& sample_weight,
                  double alpha, int n_threads, bool clip) {
        return std::make_unique<Bound>(
            network, loss, x, target, sample_weight,
            typename Bound::Settings{penalty(alpha), checked_threads(n_threads), clip});
      }),
      py::arg("network"), py::arg("loss"), py::arg("x"), py::arg("target"),
      py::arg("sample_weight"), py::kw_only(), py::arg("alpha"), py::arg("n_threads"),
      py::arg("clip"));
  cls.def("__call__", &Bound::operator(), py::arg("parameters"), py::arg("gradients"),
          "The loss; its gradient is written into `gradients`.");
  registry[py::dtype::of<T>()] = cls;
}

}  // namespace

void bind_trainers(py::module_& m) {
  py::dict states;
  bind_state<float>(m, "OptimizerStateF32", states);
  bind_state<double>(m, "OptimizerStateF64", states);
  m.attr("optimizer_states") = states;
  py::dict trainers;
  bind_trainer<float>(m, "TrainerF32", trainers);
  bind_trainer<double>(m, "TrainerF64", trainers);
  m.attr("trainers") = trainers;
  py::dict objectives;
  bind_objective<float>(m, "ObjectiveF32", objectives);
  bind_objective<double>(m, "ObjectiveF64", objectives);
  m.attr("objectives") = objectives;
}

}  // namespace fastmlp::bindings
