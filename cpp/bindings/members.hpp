// Binds a member of a family: constructor, properties, docstring, pickling and comparison
// all come from the member's own list of fields.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "fastmlp/family.hpp"

namespace fastmlp::bindings {

namespace py = pybind11;

inline const char* type_name(double) { return "float"; }
inline const char* type_name(bool) { return "bool"; }

// A line of numpydoc for one field.
template <class Member, class Value>
std::string describe(const Field<Member, Value>& field) {
  const Value value = Member{}.*field.member;
  std::string line = std::string(field.name) + " : " + type_name(value);
  if constexpr (std::is_same_v<Value, double>) line += " in " + field.bounds.text();
  return line + ", default=" + std::string(py::repr(py::cast(value))) + "\n";
}

template <class Member>
std::string docstring(const std::string& sizes = "") {
  std::string parameters = sizes;
  std::apply([&](const auto&... fields) { ((parameters += describe(fields)), ...); },
             Member::fields());
  std::string text = Member::summary;
  if (!parameters.empty()) text += "\n\nParameters\n----------\n" + parameters;
  return text;
}

// The values of all fields, as a tuple.
template <class Member>
py::tuple values(const Member& member) {
  return std::apply(
      [&](const auto&... fields) { return py::make_tuple(member.*fields.member...); },
      Member::fields());
}

// What every bound value shares: it is written as its constructor's call, compares by
// value and pickles under its public name, which no instruction-set level is part of.
template <class Member, class Arguments>
void bind_value(py::class_<Member>& cls, const char* module, Arguments arguments) {
  cls.attr("__module__") = module;
  cls.def("__repr__", [arguments](const Member& member) {
    std::string inside = py::repr(arguments(member));
    inside = inside.substr(1, inside.size() - 2);
    if (inside.ends_with(",")) inside.pop_back();
    return std::string(Member::class_name) + "(" + inside + ")";
  });
  cls.def("__reduce__", [arguments](const py::object& self) {
    return py::make_tuple(py::type::of(self), arguments(self.cast<const Member&>()));
  });
  cls.def("__eq__", [arguments](const Member& member, const py::object& other) {
    return py::isinstance<Member>(other) &&
           arguments(member).equal(arguments(other.cast<const Member&>()));
  });
  cls.def("__hash__",
          [arguments](const Member& member) { return py::hash(arguments(member)); });
}

template <class Member, class... Value>
void bind_fields(py::class_<Member>& cls, const Field<Member, Value>&... fields) {
  cls.def(py::init([fields...](Value... values) {
            Member member;
            ((member.*fields.member = values), ...);
            check(member);
            return member;
          }),
          (py::arg(fields.name) = Member{}.*fields.member)...);
  (cls.def_property_readonly(
       fields.name,
       [pointer = fields.member](const Member& member) { return member.*pointer; }),
   ...);
}

template <class Member>
py::class_<Member> bind_member(py::module_& m, const char* module) {
  py::class_<Member> cls(m, Member::class_name, docstring<Member>().c_str());
  std::apply([&](const auto&... fields) { bind_fields(cls, fields...); },
             Member::fields());
  bind_value(cls, module, [](const Member& member) { return values(member); });
  return cls;
}

// Binds a whole family; m.<registry> becomes the dict of registered name -> class.
template <class Family, class F>
void bind_family(py::module_& m, py::module_& home, const char* registry,
                 const char* module, F&& extend) {
  py::dict names;
  for_each_member<Family>([&]<class Member>(std::type_identity<Member>) {
    auto cls = bind_member<Member>(home, module);
    extend(cls);
    names[Member::name] = cls;
  });
  m.attr(registry) = names;
}

}  // namespace fastmlp::bindings
