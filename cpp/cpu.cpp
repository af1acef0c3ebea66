// Which instruction-set levels this processor (and its operating system) runs.
//
// Built twice: as the extension `_cpu` for the loader, and, with FASTMLP_PRINT_LEVELS,
// as the program that tells CMake what to build. Neither may contain code for a newer
// level.

#include <cstdint>
#include <string>
#include <vector>

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static const char* const with_matrix_unit = "x86_64_v4_amx";

#if defined(__linux__) && defined(__x86_64__)
static constexpr long tile_registers = 18;  // XFEATURE_XTILEDATA
#endif

// Whether there is Intel's AMX for bfloat16, and a system that knows its registers.
static bool has_matrix_unit() {
#if defined(__linux__) && defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned bfloat16 = 1u << 22, tiles = 1u << 24;
  if (!(d & bfloat16) || !(d & tiles)) return false;
  constexpr long get_supported = 0x1021;  // ARCH_GET_XCOMP_SUPP
  std::uint64_t supported = 0;
  return syscall(SYS_arch_prctl, get_supported, &supported) == 0 &&
         (supported >> tile_registers & 1) != 0;
#else
  return false;
#endif
}

// Linux wants to be asked before the matrix unit is used, once for all threads (its
// documentation, "x86/xstate"). It says no where an alternate signal stack has no room
// for the unit's registers, and lets nobody have such a stack from then on.
bool is_permitted(const std::string& level) {
  if (level != with_matrix_unit) return true;
#if defined(__linux__) && defined(__x86_64__)
  constexpr long request = 0x1023;  // ARCH_REQ_XCOMP_PERM
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
    if (has_matrix_unit()) levels.push_back(with_matrix_unit);
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
  m.def("is_permitted", &is_permitted,
        "Whether the system lets this process run a level, which may have to ask it.");
}

#endif
