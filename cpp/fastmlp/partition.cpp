// Units in a fixed order, and what is worth sharing.
#include "partition.hpp"

namespace fastmlp {

namespace {

// What a row's part of the gradient is computed from: inputs and gradients of outputs.
Index numbers_of_row(const Network& network) {
  Index numbers = 0;
  for (Index l = 0; l < network.size(); ++l)
    if (const auto* dense = network.get<Dense>(l))
      numbers += dense->in_features + dense->out_features;
  return numbers;
}

// Whether ReLU follows a layer at once, and so makes zeros of its outputs' gradients.
bool is_gated(const Network& network, Index l) {
  const auto* next = l + 1 < network.size() ? network.get<Activation>(l + 1) : nullptr;
  return next && std::holds_alternative<Relu>(*next);
}

constexpr Index kFewRows = 40;

}  // namespace

// Few rows are divided where two threads gain by it: by so many multiplications (sparse
// rows' zeros counted, for they have the bits of dense ones), and while a block's rows
// still fill most of a register tile.
Index row_blocks(const Network& network, Index rows) {
  constexpr Index least = 16, worth = 1'000'000;
  const bool divided =
      rows > kFewRows || (rows >= least && rows * network.weights() >= worth);
  return divided ? 2 * divide_up(rows, 2 * most_block_rows(rows)) : 1;
}

bool exchanges_sums(const Network& network, Index rows) {
  const bool many = rows > 2 * kPieceRows;
  if (rows <= kFewRows || (many && !network.batch_norms().empty())) return false;
  constexpr double worth = 2.5;  // times: measured; another barrier comes with it
  const Index own = many ? kPieceRows : rows / 2;  // of many rows, in each part
  return static_cast<double>(numbers_of_row(network) * own) >
         worth * static_cast<double>(network.weights());
}

Index gradient_pieces(const Network& network, Index rows) {
  if (rows > 2 * kPieceRows) return row_blocks(network, rows) / 2;
  return rows > kPieceRows || exchanges_sums(network, rows) ? 2 : 1;
}

template <class T>
Index pieces_at_a_time(const Network& network, Index rows, int n_threads) {
  const Index pieces = gradient_pieces(network, rows);
  if (!network.batch_norms().empty()) return pieces;
  constexpr Index near = 2 * kNearBytes / static_cast<Index>(sizeof(T));
  constexpr Index worth = 4;  // times the sums that are added to
  const Index numbers = std::max(n_threads * near, worth * network.weights());
  const Index enough = numbers * pieces / (numbers_of_row(network) * rows);
  const Index for_each_thread = std::max<Index>(1, enough / n_threads);
  return std::min(pieces, n_threads * for_each_thread);
}

template <class T>
std::vector<GradientUnit> gradient_units(const Network& network,
                                         const std::vector<bool>& tiled) {
  std::vector<GradientUnit> units;
  for (Index l = 0; l < network.size(); ++l) {
    if (network.get<BatchNorm>(l)) units.push_back({l, {}});
    const auto* dense = network.get<Dense>(l);
    if (!dense) continue;
    const bool is_tiled = !tiled.empty() && tiled[static_cast<std::size_t>(l)];
    each_dense_unit<T>(*dense, is_tiled,
                       [&](const DenseUnit& unit) { units.push_back({l, unit}); });
  }
  return units;
}

template <class T>
int gradient_threads(const Network& network, Index rows, int wanted) {
  const double product = 2 * static_cast<double>(rows * network.weights());
  const auto units = gradient_units<T>(network).size();
  const Index pieces = std::max<Index>(1, static_cast<Index>(units));
  std::vector<Phase> phases{{2 * product, row_blocks(network, rows)},
                            {product, pieces}};
  if (exchanges_sums(network, rows)) phases.push_back({0, 1});
  return useful_threads(phases, wanted);
}

template <class T>
std::vector<bool> tiled_layers(const Network& network, Index rows, bool is_sparse) {
  std::vector<bool> tiled(static_cast<std::size_t>(network.size()));
  constexpr Index least_rows = 128;
  const Index padded = round_up(rows, kTileRows);
  if (!kUsesTiles<T> || rows < least_rows || 8 * padded > 9 * rows) return tiled;
  for (Index l = is_sparse ? 1 : 0; l < network.size(); ++l) {
    const auto* dense = network.get<Dense>(l);
    if (!dense) continue;
    // With gradients that are half zeros the unit's clock is a fifth higher.
    const Index times = is_gated(network, l) ? 1 : 2;
    const Index least_width = times * 112, least_work = times * 128 * 256;
    const Index width = std::min(dense->in_features, whole_outputs<T>(*dense));
    tiled[static_cast<std::size_t>(l)] =
        width >= least_width && width * rows >= least_work;
  }
  return tiled;
}

template std::vector<bool> tiled_layers<float>(const Network&, Index, bool);
template std::vector<bool> tiled_layers<double>(const Network&, Index, bool);
template std::vector<GradientUnit> gradient_units<float>(const Network&,
                                                         const std::vector<bool>&);
template std::vector<GradientUnit> gradient_units<double>(const Network&,
                                                          const std::vector<bool>&);
template Index pieces_at_a_time<float>(const Network&, Index, int);
template Index pieces_at_a_time<double>(const Network&, Index, int);
template int gradient_threads<float>(const Network&, Index, int);
template int gradient_threads<double>(const Network&, Index, int);

}  // namespace fastmlp
