// Binds a member of a family: constructor, properties, docstring, pickling and
// comparison all come from the member's own list of fields.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "fastmlp/family.hpp"
#include "fastmlp/types.hpp"

namespace pybind11::detail {

// A member of a family by its class, which nothing derives from. pybind11's own caster
// of a variant tries one after another, and each that does not fit raises an
// AttributeError and drops it: a third of a microsecond, a tenth of the time of a small
// prediction.
template <class... Members>
  requires(... && requires { Members::class_name; })
struct type_caster<std::variant<Members...>>
    : variant_caster<std::variant<Members...>> {
  bool load(handle object, bool) { return (take<Members>(object) || ...); }

 private:
  template <class Member>
  bool take(handle object) {
    if (!type::handle_of(object).is(type::of<Member>())) return false;
    this->value = object.cast<const Member&>();
    return true;
  }
};

}  // namespace pybind11::detail

namespace fastmlp::bindings {

namespace py = pybind11;

// Bound classes are plain final types: nothing in Python derives from them.
template <class T, class... Options>
py::class_<T, Options...> plain_class(py::module_& m, const char* name,
                                      const std::string& doc) {
  return {m, name, doc.c_str(), py::is_final(),
          py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type))};
}

inline const char* type_name(double) { return "float"; }
inline const char* type_name(bool) { return "bool"; }
inline const char* type_name(Index) { return "int"; }

// A size has no default.
template <class Value>
inline constexpr bool is_required = std::is_same_v<Value, Index>;

template <class Member, class Value>
auto argument(const Field<Member, Value>& field) {
  if constexpr (is_required<Value>) {
    return py::arg(field.name);
  } else {
    return py::arg(field.name) = Member{}.*field.member;
  }
}

// A number from Python: whatever is one (NumPy's too), and nothing else.
template <class Member, class Value>
Value parse(const py::object& object, const Field<Member, Value>& field) {
  py::detail::make_caster<Value> caster;
  const bool is_index = PyIndex_Check(object.ptr()) != 0;
  const bool fits = std::is_same_v<Value, Index>
                        ? is_index && !PyBool_Check(object.ptr())
                    : std::is_same_v<Value, bool> ? true
                                                  : !object.is_none();
  if (fits && caster.load(object, true)) return py::detail::cast_op<Value>(caster);
  PyErr_Clear();
  throw py::type_error("the parameter '" + std::string(field.name) + "' of " +
                       Member::class_name + " must be a value of type " +
                       type_name(Value{}) + ", got " + std::string(py::repr(object)));
}

// A line of numpydoc for one field.
template <class Member, class Value>
std::string describe(const Field<Member, Value>& field) {
  std::string line = std::string(field.name) + " : " + type_name(Value{});
  if (!std::is_same_v<Value, bool>) line += " in " + field.bounds.text();
  if (!is_required<Value>)
    line += ", default=" + std::string(py::repr(py::cast(Member{}.*field.member)));
  return line + "\n";
}

template <class Member>
std::string docstring() {
  std::string parameters;
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

// Written as its constructor's call, compared by value, and pickled under its public
// name, which no instruction-set level is part of.
template <class Member>
void bind_value(py::class_<Member>& cls, const char* module) {
  cls.attr("__module__") = module;
  cls.def("__repr__", [](const Member& member) {
    std::string inside = py::repr(values(member));
    inside = inside.substr(1, inside.size() - 2);
    if (inside.ends_with(",")) inside.pop_back();
    return std::string(Member::class_name) + "(" + inside + ")";
  });
  cls.def("__reduce__", [](const py::object& self) {
    return py::make_tuple(py::type::of(self), values(self.cast<const Member&>()));
  });
  cls.def("__eq__", [](const Member& member, const py::object& other) {
    return py::isinstance<Member>(other) &&
           values(member).equal(values(other.cast<const Member&>()));
  });
  cls.def("__hash__", [](const Member& member) { return py::hash(values(member)); });
}

template <class>
using Object = py::object;

template <class Member, class... Value>
void bind_fields(py::class_<Member>& cls, const Field<Member, Value>&... fields) {
  cls.def(py::init([fields...](const Object<Value>&... values) {
            Member member;
            ((member.*fields.member = parse(values, fields)), ...);
            check(member);
            return member;
          }),
          argument(fields)...);
  (cls.def_property_readonly(
       fields.name,
       [pointer = fields.member](const Member& member) { return member.*pointer; }),
   ...);
}

template <class Member>
py::class_<Member> bind_member(py::module_& m, const char* module) {
  auto cls = plain_class<Member>(m, Member::class_name, docstring<Member>());
  std::apply([&](const auto&... fields) { bind_fields(cls, fields...); },
             Member::fields());
  bind_value(cls, module);
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
