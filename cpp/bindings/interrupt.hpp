// Ctrl-C during long work: the library asks between row blocks, Python is asked at most
// every 20 ms.
#pragma once

#include <pybind11/pybind11.h>

#include <functional>

#include "fastmlp/kernels/float_mode.hpp"
#include "fastmlp/parallel.hpp"

namespace fastmlp::bindings {

// A function for the thread that called from Python, which has given up the GIL. It
// says no once a signal handler has raised; the caller then throws error_already_set.
// Handlers run in the mode that the thread is in now.
inline std::function<bool()> until_interrupted() {
  constexpr double interval = 0.02;
  return [next = now() + interval, mode = FloatMode::current()]() mutable {
    if (now() < next) return true;
    next = now() + interval;
    const WithFloatMode as_before(mode);
    const pybind11::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() == 0;
  };
}

}  // namespace fastmlp::bindings
