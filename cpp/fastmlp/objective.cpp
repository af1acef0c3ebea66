// One evaluation: chunks of rows forward and back, their gradients summed in order.
#include "objective.hpp"

#include <numeric>
#include <stdexcept>

#include "stored_gradient.hpp"

namespace fastmlp {
namespace {

constexpr Index kChunkRows = 2048;

}  // namespace

template <class T>
Objective<T>::Objective(Network network, Loss loss, TrainingData<T> data,
                        const Settings& settings)
    : network_(std::move(network)),
      loss_(loss),
      data_(data),
      settings_(settings),
      n_threads_(gradient_threads<T>(network_, std::min(data.x.rows, kChunkRows),
                                     settings.n_threads)),
      reporting_(settings.clip ? Reporting<T>::scikit_learn() : Reporting<T>::plain()),
      parameters_(network_, Layout::both_ways),
      pass_(network_, std::min(data.x.rows, kChunkRows), Pass<T>::Purpose::gradients,
            std::nullopt, suits_sparse<T>(network_, {data.x, nullptr, data.x.rows})),
      units_(gradient_units<T>(network_)),
      block_loss_(static_cast<std::size_t>(row_blocks(network_, kChunkRows))) {
  for (const Layer& layer : network_.layers())
    if (std::holds_alternative<BatchNorm>(layer) ||
        std::holds_alternative<Dropout>(layer))
      throw std::invalid_argument("an objective takes no BatchNorm and no Dropout");
  pass_.reserve({data.x, nullptr, data.x.rows});
  weight_sum_ = static_cast<double>(data.x.rows);
  if (const T* weight = data.sample_weight)
    weight_sum_ = std::accumulate(weight, weight + data.x.rows, 0.0);
  if (weight_sum_ == 0)
    throw std::invalid_argument(
        "sample_weight must not sum to zero, and x must have rows");
  for (int i = 0; i < n_threads_; ++i) {
    loss_scratch_.emplace_back(network_.out_features());
    gradient_scratch_.emplace_back(kUnitSize<T>);
  }
}

template <class T>
std::optional<double> Objective<T>::operator()(
    const std::vector<const T*>& parameters, const std::vector<T*>& gradients,
    const std::function<bool()>& keep_going) {
  parameters_.load(network_, parameters);
  pass_.watch(&keep_going);
  double loss = 0;
  for (Index row = 0; row < data_.x.rows; row += kChunkRows) {
    loss += add_chunk({row, std::min(data_.x.rows, row + kChunkRows)}, gradients);
    if (pass_.abandoned()) return std::nullopt;
  }
  return loss / weight_sum_ + add_penalty(parameters, gradients);
}

// The chunk's sum of weight x loss.
template <class T>
double Objective<T>::add_chunk(Range rows, const std::vector<T*>& gradients) {
  const Targets<T> targets = data_.targets.from(rows.begin, network_.out_features());
  const T* weight = data_.sample_weight ? data_.sample_weight + rows.begin : nullptr;
  const T scale = static_cast<T>(1 / weight_sum_);
  pass_.begin({rows.size(), true, 0, 0, weight}, parameters_,
              {data_.x.from(rows.begin), nullptr, rows.size()});
  const auto by_member = [&](const Member& member) {
    const auto thread = static_cast<std::size_t>(member.index);
    pass_.forward(
        member, [&](const RowBlocks& blocks, Way<T>&) { pass_.fill(blocks); },
        [&](const RowBlocks& blocks, Way<T>& way) {
          pass_.each_block(blocks, [&](Index block, Range part) {
            block_loss_[static_cast<std::size_t>(block)] = value_and_gradient(
                loss_, pass_.output(part), part, targets, nullptr, weight, scale,
                reporting_, pass_.output_gradient(part), loss_scratch_[thread]);
          });
          pass_.backward_top(blocks, way);
        });
    member.barrier([] {});
    if (pass_.abandoned()) return;
    member.each(static_cast<Index>(units_.size()), [&](Index u) {
      store_gradient(pass_, units_[static_cast<std::size_t>(u)], gradients,
                     rows.begin > 0, gradient_scratch_[thread].data());
    });
  };
  const auto chunk = static_cast<double>(std::min(data_.x.rows, kChunkRows));
  crowding_.run(n_threads_, chunk, by_member, [&] { return rows.size(); });
  return std::accumulate(block_loss_.begin(),
                         block_loss_.begin() + pass_.batch_blocks(), 0.0);
}

template <class T>
double Objective<T>::add_penalty(const std::vector<const T*>& parameters,
                                 const std::vector<T*>& gradients) const {
  if (settings_.alpha == 0) return 0;
  const T decay = static_cast<T>(settings_.alpha / weight_sum_);
  const std::vector<Slice>& slices = network_.slices();
  double squares = 0;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    if (slices[i].shape.size() != 2) continue;  // a bias
    const Index n = slices[i].shape[0] * slices[i].shape[1];
    for (Index k = 0; k < n; ++k) {
      const T weight = parameters[i][k];
      squares += static_cast<double>(weight) * static_cast<double>(weight);
      gradients[i][k] += decay * weight;
    }
  }
  return 0.5 * settings_.alpha * squares / weight_sum_;
}

template class Objective<float>;
template class Objective<double>;

}  // namespace fastmlp
