// A family is a std::variant: its list of members is the registry of names. Each member
// tells its name, its class's name, a summary with the source of the method, and its
// parameters with their bounds; messages, docstrings, choices and tests derive from
// them.
#pragma once

#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>

namespace fastmlp {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Bounds {
  double low = -kInfinity;
  double high = kInfinity;
  bool low_open = false;
  bool high_open = false;

  bool contains(double value) const {
    return std::isfinite(value) && (low_open ? value > low : value >= low) &&
           (high_open ? value < high : value <= high);
  }
  std::string text() const {
    std::ostringstream out;
    out << std::setprecision(10) << (low_open || low == -kInfinity ? "(" : "[") << low
        << ", " << high << (high_open || high == kInfinity ? ")" : "]");
    return out.str();
  }
};

inline constexpr Bounds kSizes{1, 2147483647};  // of a layer

// One parameter of a member: its name, where it is kept, what it may be.
template <class Member, class Value>
struct Field {
  const char* name;
  Value Member::* member;
  Bounds bounds = {};
};
template <class Member, class Value>
Field(const char*, Value Member::*) -> Field<Member, Value>;
template <class Member, class Value>
Field(const char*, Value Member::*, Bounds) -> Field<Member, Value>;

// Throws std::invalid_argument if a parameter of `member` is out of its bounds.
template <class Member>
void check(const Member& member) {
  const auto check_field = [&](const auto& field) {
    const auto value = static_cast<double>(member.*field.member);
    if (field.bounds.contains(value)) return;
    std::ostringstream message;
    message << std::setprecision(10) << "the parameter '" << field.name << "' of "
            << Member::class_name << " must be in " << field.bounds.text() << ", got "
            << value;
    throw std::invalid_argument(message.str());
  };
  std::apply([&](const auto&... fields) { (check_field(fields), ...); },
             Member::fields());
}

// Calls f(type) once for each member type of the family; f takes a std::type_identity.
template <class Family>
struct for_each_member;
template <class... Members>
struct for_each_member<std::variant<Members...>> {
  template <class F>
  explicit for_each_member(F&& f) {
    (f(std::type_identity<Members>{}), ...);
  }
};

}  // namespace fastmlp
