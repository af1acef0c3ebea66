// The step: a phase over rows, and the little that lies between it and the weights'
// phase.
#include "trainer.hpp"

#include <algorithm>

#include "kernels/float_mode.hpp"
#include "weights_phase.hpp"

namespace fastmlp {
namespace {

// A batch has no more rows than there are.
TrainerSettings within(TrainerSettings settings, Index rows) {
  settings.batch_size = std::clamp<Index>(rows, 1, settings.batch_size);
  return settings;
}

}  // namespace

template <class T>
Trainer<T>::Trainer(Network network, Loss loss, Optimizer optimizer,
                    TrainingData<T> data, TrainerSettings settings,
                    const std::vector<const T*>& parameters, OptimizerState<T>& state)
    : network_(std::move(network)),
      loss_(loss),
      optimizer_(optimizer),
      data_(data),
      settings_(within(settings, data.x.rows)),
      step_operations_(6 *
                       static_cast<double>(settings_.batch_size * network_.weights())),
      n_threads_(
          gradient_threads<T>(network_, settings_.batch_size, settings.n_threads)),
      is_sparse_(suits_sparse<T>(network_, {data.x, nullptr, data.x.rows})),
      tiled_(tiled_layers<T>(network_, settings_.batch_size, is_sparse_)),
      reporting_(settings.clip ? Reporting<T>::scikit_learn() : Reporting<T>::plain()),
      parameters_(network_, Layout::both_ways, false, false, tiled_),
      state_(state),
      pass_(network_, settings_.batch_size, Pass<T>::Purpose::gradients,
            pieces_at_a_time<T>(network_, settings_.batch_size, n_threads_), is_sparse_,
            tiled_, n_threads_),
      rows_are_long_(has_long_rows(data.x)),
      weights_are_far_(network_.weights() * static_cast<Index>(sizeof(T)) > kNearBytes),
      units_(gradient_units<T>(network_, tiled_)),
      weight_(data.sample_weight ? settings_.batch_size : 0),
      block_loss_(static_cast<std::size_t>(row_blocks(network_, settings_.batch_size))),
      unit_norm_(units_.size()) {
  parameters_.load(network_, parameters);
  cost_before_.push_back(0);
  for (const GradientUnit& unit : units_)
    cost_before_.push_back(cost_before_.back() +
                           unit.dense.cost<T>(network_.width(unit.layer),
                                              pass_.has_block_sums(unit.layer)));
  for (int i = 0; i < n_threads_; ++i) {
    loss_scratch_.emplace_back(network_.out_features());
    gradient_scratch_.emplace_back(kUnitSize<T>);
  }
  const Index rows = settings_.batch_size;
  const Index at_a_time = pass_.pieces_at_a_time();
  if (n_threads_ > 1 && exchanges_sums(network_, rows))
    for (Index i = 0; i < at_a_time; ++i) piece_sums_.emplace_back(units_);
  if (at_a_time < gradient_pieces(network_, rows)) sums_so_far_.emplace(units_);
}

template <class T>
void Trainer<T>::begin_epoch(const Index* order, Index rows,
                             const double* learning_rates) {
  pass_.reserve({data_.x, order, rows});  // or throw, with nothing changed
  order_ = order;
  rows_ = rows;
  learning_rates_ = learning_rates;
  position_ = batch_ = 0;
  pass_.resume();
  loss_sum_ = 0;
}

template <class T>
auto Trainer<T>::run(double seconds, const std::function<bool()>& keep_going)
    -> Progress {
  deadline_ = now() + crowding_.seconds(seconds);
  stop_ = position_ == rows_;
  // Short steps end in time without being asked in between.
  constexpr double short_step = 1e7;
  pass_.watch(step_operations_ < short_step ? nullptr : &keep_going);
  if (!stop_) {
    {
      const FlushToZero flushed;  // as for the steps after it
      prepare_step();
    }
    const Index from = position_;
    crowding_.run(
        n_threads_, static_cast<double>(std::min(batch_size(), rows_)),
        [this](const Member& member) {
          const FlushToZero flushed;
          while (!stop_) step(member);
        },
        [&] { return position_ - from; });
  }
  if (pass_.abandoned()) return Progress::abandoned;
  return position_ == rows_ ? Progress::epoch_done : Progress::time_up;
}

template <class T>
void Trainer<T>::prepare_step() {
  const Index rows = std::min(settings_.batch_size, rows_ - position_);
  weight_sum_ = static_cast<double>(rows);
  if (data_.sample_weight) {
    weight_sum_ = 0;
    for (Index i = 0; i < rows; ++i) {
      weight_[i] = data_.sample_weight[order_[position_ + i]];
      weight_sum_ += static_cast<double>(weight_[i]);
    }
  }
  scale_ = weight_sum_ == 0 ? T(0) : static_cast<T>(1 / weight_sum_);
  rule_ = rule_at<T>(optimizer_, learning_rates_[batch_], settings_.step + 1);
  pass_.begin({rows, true, settings_.seed, static_cast<std::uint32_t>(settings_.step),
               data_.sample_weight ? weight_.data() : nullptr},
              parameters_, {data_.x, order_ + position_, rows, rows_ - position_});
}

// A step or, of a large batch, a part of it. Everything a member reads here was written
// before the last barrier.
template <class T>
void Trainer<T>::step(const Member& member) {
  rows_phase(member);
  member.barrier([this] { finish_rows(); });
  if (stop_) return;
  weights_phase(member);
  member.barrier([this] { finish_part(); });
}

template <class T>
void Trainer<T>::rows_phase(const Member& member) {
  const Index* order = order_ + position_;
  const T* weight = pass_.settings().weight;
  const auto& scratch = loss_scratch_[static_cast<std::size_t>(member.index)];
  pass_.forward(
      member,
      [&](const RowBlocks& blocks, Way<T>& way) {
        pass_.fill(blocks);
        expect_targets(data_.targets, order, blocks.rows, network_.out_features());
        if (!rows_are_long_) return;
        const Range next = pass_.rows_after(member, blocks);
        const Index end = rows_ - position_;
        expect_rows(data_.x, order, {next.begin, std::min(next.end, end)}, way.ahead);
      },
      [&](const RowBlocks& blocks, Way<T>& way) {
        pass_.each_block(blocks, [&](Index block, Range rows) {
          block_loss_[static_cast<std::size_t>(block)] = value_and_gradient(
              loss_, pass_.output(rows), rows, data_.targets, order, weight, T(1),
              reporting_, pass_.output_gradient(rows), scratch);
        });
        pass_.backward_top(blocks, way);
      });
  pass_.backward_rest(member);
}

// Between the phases of the last part: the batch's loss; from here on the step will be
// completed.
template <class T>
void Trainer<T>::finish_rows() {
  stop_ = pass_.abandoned();
  if (stop_ || !pass_.is_last_part()) return;
  double sum = 0;
  for (Index block = 0; block < pass_.batch_blocks(); ++block)
    sum += block_loss_[static_cast<std::size_t>(block)];
  batch_loss_ = weight_sum_ == 0 ? 0 : sum / weight_sum_;
  pass_.commit(parameters_);
}

template <class T>
void Trainer<T>::finish_part() {
  if (!pass_.next_part()) finish_step();
}

template <class T>
void Trainer<T>::finish_step() {
  const Index rows = pass_.settings().rows;
  double norm = 0;
  for (const double part : unit_norm_) norm += part;
  if (weight_sum_ != 0) batch_loss_ += 0.5 * settings_.alpha * norm / weight_sum_;
  loss_sum_ += batch_loss_ * static_cast<double>(rows);
  position_ += rows;
  ++batch_;
  ++settings_.step;
  stop_ = position_ == rows_ || is_time_up();
  if (!stop_) prepare_step();
}

// To look at the clock takes longer than a tenth of the smallest steps.
template <class T>
bool Trainer<T>::is_time_up() {
  constexpr double operations_between_looks = 2e6;  // some 20 us
  operations_ += step_operations_;
  if (operations_ < operations_between_looks) return false;
  operations_ = 0;
  return now() > deadline_;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fastmlp
