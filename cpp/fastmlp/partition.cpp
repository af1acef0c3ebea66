// Units in a fixed order, and what is worth sharing.
#include "partition.hpp"

namespace fastmlp {

namespace {

constexpr Index kPieceRows = 320;  // deltas of one tile stay in L1

}  // namespace

bool exchanges_sums(const Network& network, Index rows) {
  if (row_blocks(rows) == 1 || rows > 2 * kPieceRows) return false;
  constexpr double worth = 2.5;  // times: measured; another barrier comes with it
  Index numbers = 0;             // of half the rows: inputs and gradients of outputs
  for (Index l = 0; l < network.size(); ++l)
    if (const auto* dense = network.get<Dense>(l))
      numbers += (dense->in_features + dense->out_features) * rows / 2;
  return static_cast<double>(numbers) > worth * static_cast<double>(network.weights());
}

Index gradient_pieces(const Network& network, Index rows) {
  if (exchanges_sums(network, rows)) return 2;
  return std::min(divide_up(rows, kPieceRows), row_blocks(rows));
}

template <class T>
std::vector<GradientUnit> gradient_units(const Network& network) {
  std::vector<GradientUnit> units;
  for (Index l = 0; l < network.size(); ++l) {
    if (network.get<BatchNorm>(l)) units.push_back({l, {}});
    const auto* dense = network.get<Dense>(l);
    if (!dense) continue;
    each_dense_unit<T>(*dense,
                       [&](const DenseUnit& unit) { units.push_back({l, unit}); });
  }
  return units;
}

template <class T>
int gradient_threads(const Network& network, Index rows, int wanted) {
  const double product = 2 * static_cast<double>(rows * network.weights());
  const auto units = gradient_units<T>(network).size();
  const Index pieces = std::max<Index>(1, static_cast<Index>(units));
  std::vector<Phase> phases{{2 * product, row_blocks(rows)}, {product, pieces}};
  if (exchanges_sums(network, rows)) phases.push_back({0, 1});
  return useful_threads(phases, wanted);
}

template std::vector<GradientUnit> gradient_units<float>(const Network&);
template std::vector<GradientUnit> gradient_units<double>(const Network&);
template int gradient_threads<float>(const Network&, Index, int);
template int gradient_threads<double>(const Network&, Index, int);

}  // namespace fastmlp
