// Which instruction-set levels this processor (and its operating system) runs.
//
// Built twice: as the extension `_cpu` for the loader, and, with FASTMLP_PRINT_LEVELS,
// as the program that tells CMake what to build. Neither may contain code for a newer
// level.

#include <string>
#include <vector>

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Whether there is Intel's AMX for bfloat16, and the system lets this process use it:
// Linux wants to be asked, once for all threads (its documentation, "x86/xstate"), and
// refuses alternate signal stacks without room for its registers from then on.
static bool has_matrix_unit() {
#if defined(__linux__) && defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned bfloat16 = 1u << 22, tiles = 1u << 24;
  if (!(d & bfloat16) || !(d & tiles)) return false;
  constexpr long request = 0x1023;     // ARCH_REQ_XCOMP_PERM
  constexpr long tile_registers = 18;  // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, request, tile_registers) == 0;
#else
  return false;
#endif
}

// Best first; "baseline" is whatever the compiler targets by default. The level names
// are known to __builtin_cpu_supports since gcc 12 and clang 18.
std::vector<std::string> supported_levels() {
  std::vector<std::string> levels;
#if defined(__x86_64__) && \
    (defined(__clang__) ? __clang_major__ >= 18 : defined(__GNUC__) && __GNUC__ >= 12)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) {
    if (has_matrix_unit()) levels.push_back("x86_64_v4_amx");
    levels.push_back("x86_64_v4");
  }
  if (__builtin_cpu_supports("x86-64-v3")) levels.push_back("x86_64_v3");
  if (__builtin_cpu_supports("x86-64-v2")) levels.push_back("x86_64_v2");
#endif
  levels.push_back("baseline");
  return levels;
}

#ifdef FASTMLP_PRINT_LEVELS

#include <iostream>

int main() {
  const char* separator = "";
  for (const std::string& level : supported_levels()) {
    std::cout << separator << level;
    separator = ";";
  }
}

#else

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

PYBIND11_MODULE(_cpu, m) {
  m.doc() = "Asks the processor which instruction-set levels it runs.";
  m.def("supported_levels", &supported_levels,
        "The levels that this processor runs, best first.");
}

#endif
