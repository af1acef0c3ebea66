// What the module can say about the machine: threads, compiler, how fast FMAs go, and
// whether a team pays.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>

#include "arrays.hpp"
#include "fastmlp/crowding.hpp"
#include "fastmlp/kernels/peak.hpp"
#include "fastmlp/parallel.hpp"
#include "fastmlp/short_calls.hpp"
#include "members.hpp"

namespace py = pybind11;

namespace fastmlp::bindings {
namespace {

double fma_peak(const std::string& dtype, int n_threads, double seconds) {
  if (dtype != "float32" && dtype != "float64")
    throw py::value_error("dtype must be 'float32' or 'float64', got '" + dtype + "'");
  std::atomic<double> flops{0};
  run_team(checked_threads(n_threads), [&](const Member&) {
    flops.fetch_add(dtype == "float32" ? fma_rate<float>(seconds)
                                       : fma_rate<double>(seconds));
  });
  return flops / 1e9;
}

std::string version(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(patch);
}

}  // namespace

void bind_machine(py::module_& m) {
  m.def("max_threads", &max_threads, "Threads that OpenMP would use now.");
  m.def("fma_peak", &fma_peak, py::arg("dtype"), py::arg("n_threads"),
        py::arg("seconds"), py::call_guard<py::gil_scoped_release>(),
        "GFLOP/s of independent fused multiply-adds: what no product can exceed.");
  plain_class<Crowding>(m, "Crowding",
                        "Whether a team of threads pays; for tests of its decisions.")
      .def(py::init())
      .def_property_readonly("is_alone", &Crowding::is_alone)
      .def("seconds", &Crowding::seconds, py::arg("offered"))
      .def(
          "record",
          [](Crowding& self, double wall_seconds, double least_cpu_seconds, double work,
             double least_work, int wanted) {
            self.record({wall_seconds, least_cpu_seconds, work, least_work, wanted});
          },
          py::arg("wall_seconds"), py::arg("least_cpu_seconds"), py::arg("work"),
          py::arg("least_work"), py::arg("wanted"));
  plain_class<ShortCalls>(m, "ShortCalls",
                          "Who does short calls; for tests of its decisions.")
      .def(py::init())
      .def("is_for_team", &ShortCalls::is_for_team, py::arg("start"), py::arg("kind"))
      .def("done", &ShortCalls::done, py::arg("start"), py::arg("end"), py::arg("kind"))
      .def("done_by_team", &ShortCalls::done_by_team, py::arg("start"), py::arg("end"),
           py::arg("kind"))
      .def("team_worked", &ShortCalls::team_worked, py::arg("end"))
      .def_property_readonly("by_teams", &ShortCalls::by_teams);
  m.def(
      "short_calls_by_teams", [] { return short_calls.by_teams(); },
      "How many of the calling thread's short predictions teams have done.");
  m.def("compiled_with", [] {
    return std::map<std::string, std::string>{
        {"compiler", __VERSION__},
        {"eigen",
         version(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION)},
        {"pybind11", version(PYBIND11_VERSION_MAJOR, PYBIND11_VERSION_MINOR,
                             PYBIND11_VERSION_MICRO)}};
  });
}

}  // namespace fastmlp::bindings
