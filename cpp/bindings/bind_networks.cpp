// Networks: their slices, predictions, and passes for those who write their own loop.
#include "arrays.hpp"
#include "fastmlp/predictor.hpp"
#include "fastmlp/propagation.hpp"
#include "interrupt.hpp"
#include "members.hpp"
#include "slices.hpp"

namespace fastmlp::bindings {
namespace {

// A network in one precision, as Python sees it, and what one prediction of a few rows
// leaves for the next.
template <class T>
struct BoundNetwork {
  Network network;
  mutable Spares<PredictionWorkspace<T>> spares{};
};

void stop_unless(bool finished) {
  if (!finished) throw py::error_already_set();
}

template <class T>
py::tuple forward(const BoundNetwork<T>& self, const py::object& x, py::list parameters,
                  bool training, std::uint64_t seed, std::uint32_t step,
                  int n_threads) {
  const int threads = checked_threads(n_threads);
  const HeldInput held = input(x, "x", self.network.in_features());
  const InputView& view = held.view;
  if (view.rows == 0) throw py::value_error("x must have at least one row, got 0");
  const auto arrays =
      read_slices<T>(self.network, parameters, Which::all, "parameters");
  auto statistics =
      training ? write_slices<T>(self.network, parameters, Which::buffers, "parameters")
               : std::vector<T*>{};
  auto output = matrix<T>(view.rows, self.network.out_features());
  T* const to = output.mutable_data();
  const std::function<bool()> keep_going = until_interrupted();
  std::shared_ptr<Propagation<T>> propagation;
  bool finished = false;
  {
    // The arrays are held by the caller; no Python object is touched.
    const py::gil_scoped_release release;
    propagation = std::make_shared<Propagation<T>>(self.network, view.rows, arrays);
    finished =
        propagation->forward(view, {training, seed, step}, to, {threads, &keep_going});
    if (finished && training) propagation->save_statistics(statistics);
  }
  stop_unless(finished);
  return py::make_tuple(output, propagation);
}

template <class T>
py::array backward(const BoundNetwork<T>&, const py::array& gradient,
                   py::list gradients, Propagation<T>& workspace, int n_threads) {
  const int threads = checked_threads(n_threads);
  const Network& network = workspace.network();
  const T* top =
      read<T>(gradient, "gradient", {workspace.rows(), network.out_features()});
  const auto arrays =
      write_slices<T>(network, gradients, Which::trainable, "gradients");
  auto input_gradient = matrix<T>(workspace.rows(), network.in_features());
  T* const to = input_gradient.mutable_data();
  const std::function<bool()> keep_going = until_interrupted();
  bool finished = false;
  {
    const py::gil_scoped_release release;
    finished = workspace.backward(top, arrays, to, {threads, &keep_going});
  }
  stop_unless(finished);
  return input_gradient;
}

template <class T>
py::array predict_rows(const BoundNetwork<T>& self, const py::object& x,
                       py::list parameters, const Loss& loss, int n_threads,
                       bool check_finite, const std::optional<py::array>& rows,
                       bool both_classes) {
  const int threads = checked_threads(n_threads);
  const HeldInput held = input(x, "x", self.network.in_features());
  const InputView& view = held.view;
  const auto arrays =
      read_slices<T>(self.network, parameters, Which::all, "parameters");
  const Index* order = rows ? read_rows(*rows, "rows", view.rows) : nullptr;
  const Index n = rows ? rows->size() : view.rows;
  auto output = matrix<T>(n, Predictor<T>::columns(self.network, both_classes));
  T* const to = output.mutable_data();
  const std::function<bool()> keep_going = until_interrupted();
  auto state = Prediction::done;
  {
    const py::gil_scoped_release release;
    const RowSource source{view, order, n};
    const Predictor<T> predictor(self.network, arrays, loss, both_classes, source,
                                 threads, self.spares);
    state = predictor({source, check_finite}, to, {threads, &keep_going});
  }
  stop_unless(state != Prediction::stopped);
  if (state == Prediction::not_finite)
    throw py::value_error("x must hold finite numbers, got NaN or infinity");
  return output;
}

template <class T>
void bind_network(py::module_& m, const char* name, const char* workspace_name,
                  py::dict& registry) {
  plain_class<Propagation<T>, std::shared_ptr<Propagation<T>>>(
      m, workspace_name, "What a forward pass keeps for the way back.");
  auto cls =
      plain_class<BoundNetwork<T>>(m, name, "Layers in order, in one precision.");
  cls.def(py::init([](std::vector<Layer> layers) {
            return std::unique_ptr<BoundNetwork<T>>(
                new BoundNetwork<T>{Network(std::move(layers))});
          }),
          py::arg("layers"));
  cls.def_property_readonly("in_features", [](const BoundNetwork<T>& self) {
    return self.network.in_features();
  });
  cls.def_property_readonly("out_features", [](const BoundNetwork<T>& self) {
    return self.network.out_features();
  });
  cls.def_property_readonly("slices", [](const BoundNetwork<T>& self) {
    py::list slices;
    for (const Slice& slice : self.network.slices())
      slices.append(py::make_tuple(slice.name, py::tuple(py::cast(slice.shape)),
                                   slice.trainable));
    return slices;
  });
  cls.def("forward", &forward<T>, py::arg("x"), py::arg("parameters"), py::kw_only(),
          py::arg("training"), py::arg("seed"), py::arg("step"), py::arg("n_threads"),
          "Raw outputs, and a workspace for `backward`.");
  cls.def("backward", &backward<T>, py::arg("gradient"), py::arg("gradients"),
          py::arg("workspace"), py::kw_only(), py::arg("n_threads"),
          "Fills `gradients`; returns the gradient with respect to the input.");
  cls.def("predict", &predict_rows<T>, py::arg("x"), py::arg("parameters"),
          py::arg("loss"), py::arg("n_threads"), py::arg("check_finite") = false,
          py::arg("rows") = py::none(), py::arg("both_classes") = false,
          "The loss's predictions for all rows or for `rows`, in bounded memory; with "
          "`both_classes`, a single output becomes the second of two columns.");
  registry[py::dtype::of<T>()] = cls;
}

}  // namespace

const Network& network_of(const py::object& bound) {
  if (py::isinstance<BoundNetwork<float>>(bound))
    return bound.cast<const BoundNetwork<float>&>().network;
  return bound.cast<const BoundNetwork<double>&>().network;
}

void bind_networks(py::module_& m) {
  py::dict networks;
  bind_network<float>(m, "NetworkF32", "WorkspaceF32", networks);
  bind_network<double>(m, "NetworkF64", "WorkspaceF64", networks);
  m.attr("networks") = networks;
}

}  // namespace fastmlp::bindings
