// Predictors: a frozen network that services call, from several threads at once.
#include "fastmlp/predictor.hpp"

#include "arrays.hpp"
#include "interrupt.hpp"
#include "members.hpp"
#include "slices.hpp"
#include "targets.hpp"

namespace fastmlp::bindings {
namespace {

// What is done with the GIL held: handing it over and back costs as much where nobody
// waits, and far more where somebody does.
constexpr double kShortFlops = 1e6;
constexpr Index kFewRows = 1024;  // layers without weights have no flops

// Rows as the library reads them: an array of floats where it is, anything else
// converted, as numpy.asarray does, to float64.
py::array rows_of(const py::object& x) {
  if (py::isinstance<py::array>(x)) {
    const auto array = py::reinterpret_borrow<py::array>(x);
    const bool is_float = py::isinstance<py::array_t<float>>(array) ||
                          py::isinstance<py::array_t<double>>(array);
    if (is_float && is_aligned(array)) return array;
  }
  try {
    return real_array<double>(x, "X");
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_ValueError) && !error.matches(PyExc_TypeError)) throw;
    const std::string type = py::str(py::type::of(x));
    py::raise_from(error, PyExc_ValueError,
                   ("X must be an array of real numbers, got " + type).c_str());
    throw py::error_already_set();
  }
}

template <class T>
class BoundPredictor {
 public:
  BoundPredictor(const py::object& network, py::list parameters, const Loss& loss,
                 bool both_classes, bool flat, int n_threads)
      : network_(network_of(network)),
        predictor_(network_,
                   read_slices<T>(network_, parameters, Which::all, "parameters"), loss,
                   both_classes),
        flat_(flat && predictor_.columns() == 1),
        n_threads_(checked_threads(n_threads)) {}

  py::array operator()(const py::object& x) const {
    if (!py::isinstance<py::array>(x) && py::hasattr(x, "tocsr")) {
      const HeldInput held =
          sparse_input(x.attr("tocsr")(), "X", network_.in_features());
      return answer(held.view, true);
    }
    const py::array rows = rows_of(x);
    if (rows.ndim() == 1) return answer(one_row(rows), false);
    return answer(dense_input(rows, "X", network_.in_features()).view, true);
  }

  py::list parameters() const {
    py::list arrays;
    std::vector<T*> pointers;
    for (const Slice& slice : network_.slices()) {
      py::array_t<T> array(slice.shape);
      pointers.push_back(array.mutable_data());
      arrays.append(array);
    }
    predictor_.parameters().save(network_, pointers);
    return arrays;
  }

 private:
  InputView one_row(const py::array& row) const {
    const Index columns = network_.in_features();
    if (row.shape(0) != columns)
      throw py::value_error("X must have the shape " + text({-1, columns}) + " or " +
                            text({columns}) + ", got " + text({row.shape(0)}));
    return {static_cast<const char*>(row.data()),
            1,
            columns,
            0,
            row.strides(0),
            is_double(row, "X")};
  }

  // With one axis for the rows, unless there is but one, and one for the columns,
  // unless they are flat. The caller holds what `rows` looks at.
  py::array answer(const InputView& rows, bool several) const {
    Shape shape;
    if (several) shape.push_back(rows.rows);
    if (!flat_) shape.push_back(predictor_.columns());
    py::array_t<T> output(shape);
    T* const to = output.mutable_data();
    const Question question{{rows, nullptr, rows.rows}};
    if (rows.rows <= kFewRows && predictor_.flops(rows.rows) < kShortFlops) {
      predictor_(question, to, {1, nullptr});
      return output;
    }
    const std::function<bool()> keep_going = until_interrupted();
    auto state = Prediction::done;
    {
      const py::gil_scoped_release release;
      state = predictor_(question, to, {n_threads_, &keep_going});
    }
    if (state == Prediction::stopped) throw py::error_already_set();
    return output;
  }

  Network network_;
  Predictor<T> predictor_;
  bool flat_;
  int n_threads_;
};

template <class T>
void bind_predictor(py::module_& m, const char* name, py::dict& registry) {
  using Bound = BoundPredictor<T>;
  auto cls = plain_class<Bound>(m, name, "A network with frozen parameters.");
  cls.def(py::init<const py::object&, py::list, const Loss&, bool, bool, int>(),
          py::arg("network"), py::arg("parameters"), py::arg("loss"), py::kw_only(),
          py::arg("both_classes"), py::arg("flat"), py::arg("n_threads"));
  cls.def("__call__", &Bound::operator(), py::arg("x"),
          "The loss's predictions for a row or for rows.");
  cls.def("parameters", &Bound::parameters,
          "Copies of the parameters, in the order of the network's slices.");
  registry[py::dtype::of<T>()] = cls;
}

}  // namespace

void bind_predictors(py::module_& m) {
  py::dict predictors;
  bind_predictor<float>(m, "PredictorF32", predictors);
  bind_predictor<double>(m, "PredictorF64", predictors);
  m.attr("predictors") = predictors;
}

}  // namespace fastmlp::bindings
