// Dense or sparse.
#include "row_source.hpp"

#include <limits>

namespace fastmlp {
namespace {

// How many columns of a dense row take as long as an entry of a sparse one, in a
// training (measured: 4 for 500 outputs, 5 for 100, 15 for 20 to 30, some 50 for a
// few). The last few outputs, which dense rows take by registers along the inputs, are
// taken one by one.
template <class T>
double columns_for_entry(Index outputs) {
  constexpr double itself = 3.5 * kLanes<T>, in_panel = 4, any_few = 60, few_each = 20;
  const Index few = narrow_outputs<T>(outputs);
  const double for_few = few > 0 ? any_few + few_each * static_cast<double>(few) : 0;
  return (itself + in_panel * static_cast<double>(outputs - few) + for_few) /
         static_cast<double>(outputs);
}

}  // namespace

template <class T>
bool suits_sparse(const Network& network, const RowSource& rows) {
  constexpr Index most = std::numeric_limits<std::int32_t>::max();
  const Index columns = network.in_features();
  if (!rows.x.is_sparse() || !rows.x.is_sorted || !network.get<Dense>(0) ||
      columns > most)
    return false;
  // With fewer, parts of the inputs are not the same for all outputs.
  if (input_parts<T>(columns) < kMostParts) return false;
  const auto entries = static_cast<double>(count_entries({rows.x, rows.order}, rows.n));
  return entries * columns_for_entry<T>(network.width(1)) <=
         static_cast<double>(rows.n) * static_cast<double>(columns);
}

template bool suits_sparse<float>(const Network&, const RowSource&);
template bool suits_sparse<double>(const Network&, const RowSource&);

}  // namespace fastmlp
