// The step: a phase over rows, a phase over weights, and the little that lies between.
#include "trainer.hpp"

#include <algorithm>

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
      reporting_(settings.clip ? Reporting<T>::scikit_learn() : Reporting<T>::plain()),
      parameters_(network_, Layout::both_ways),
      state_(state),
      pass_(network_, settings_.batch_size, Pass<T>::Purpose::gradients),
      rows_are_long_(has_long_rows(data.x)),
      weights_are_far_(network_.weights() * static_cast<Index>(sizeof(T)) > kNearBytes),
      units_(gradient_units<T>(network_)),
      weight_(data.sample_weight ? settings_.batch_size : 0),
      block_loss_(static_cast<std::size_t>(row_blocks(settings_.batch_size))),
      unit_norm_(units_.size()) {
  parameters_.load(network_, parameters);
  cost_before_.push_back(0);
  for (const GradientUnit& unit : units_)
    cost_before_.push_back(cost_before_.back() +
                           unit.dense.cost<T>(network_.width(unit.layer),
                                              bool{pass_.work(unit.layer).block_sums}));
  for (int i = 0; i < n_threads_; ++i) {
    loss_scratch_.emplace_back(network_.out_features());
    gradient_scratch_.emplace_back(kUnitScratch<T>);
  }
}

template <class T>
void Trainer<T>::begin_epoch(const Index* order, Index rows,
                             const double* learning_rates) {
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
  deadline_ = now() + seconds;
  stop_ = position_ == rows_;
  // Short steps end in time without being asked in between.
  constexpr double short_step = 1e7;
  pass_.watch(step_operations_ < short_step ? nullptr : &keep_going);
  if (!stop_) {
    prepare_step();
    const Index from = position_;
    crowding_.run(
        n_threads_,
        [this](const Member& member) {
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
              parameters_);
}

// Everything a member reads here was written before the last barrier.
template <class T>
void Trainer<T>::step(const Member& member) {
  rows_phase(member);
  member.barrier([this] { finish_rows(); });
  if (stop_) return;
  T* const scratch = gradient_scratch_[static_cast<std::size_t>(member.index)].data();
  const auto share = [&](int i) { return share_of_units(i, member.size); };
  member.each_of_parts(share, [&](Index u) {
    const auto unit = static_cast<std::size_t>(u);
    unit_norm_[unit] = update(unit, scratch);
  });
  member.barrier([this] { finish_step(); });
}

template <class T>
void Trainer<T>::rows_phase(const Member& member) {
  const Index* order = order_ + position_;
  const T* weight = pass_.settings().weight;
  const auto& scratch = loss_scratch_[static_cast<std::size_t>(member.index)];
  pass_.forward(
      member,
      [&](Index block, Range rows, Ahead& ahead) {
        gather(data_.x, order, rows, rows_ - position_, pass_.input());
        expect_targets(data_.targets, order, rows, network_.out_features());
        if (!rows_are_long_) return;
        const Range next = pass_.rows_after(member, block);
        const Index end = rows_ - position_;
        expect_rows(data_.x, order, {next.begin, std::min(next.end, end)}, ahead);
      },
      [&](Index block, Range rows) {
        block_loss_[static_cast<std::size_t>(block)] = value_and_gradient(
            loss_, pass_.output(), rows, data_.targets, order, weight, T(1), reporting_,
            pass_.output_gradient(), scratch);
        pass_.backward_top(block, rows);
      });
  pass_.backward_rest(member);
}

// Between the phases: the batch's loss; from here on the step will be completed.
template <class T>
void Trainer<T>::finish_rows() {
  stop_ = pass_.abandoned();
  if (stop_) return;
  double sum = 0;
  for (Index block = 0; block < row_blocks(pass_.settings().rows); ++block)
    sum += block_loss_[static_cast<std::size_t>(block)];
  batch_loss_ = weight_sum_ == 0 ? 0 : sum / weight_sum_;
  pass_.commit(parameters_);
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

template <class T>
Range Trainer<T>::share_of_units(int member, int members) const {
  const auto boundary = [&](int i) {
    const double cost = cost_before_.back() * i / members;
    const auto after = std::lower_bound(cost_before_.begin(), cost_before_.end(), cost);
    const bool nearer = i > 0 && cost - *(after - 1) < *after - cost;
    return after - cost_before_.begin() - (nearer ? 1 : 0);
  };
  return {boundary(member), boundary(member + 1)};
}

template <class T>
double Trainer<T>::update(std::size_t number, T* scratch) {
  const Index layer = units_[number].layer;
  return std::visit(
      [&](const auto& rule) {
        if (network_.get<Dense>(layer)) return update_dense(number, rule, scratch);
        update_batch_norm(layer, rule);
        return 0.0;
      },
      rule_);
}

// The optimizer's state for one layer, by slot.
template <class State, class Rule, class T>
static std::array<State*, Rule::slots> layer_states(OptimizerState<T>& state,
                                                    Index layer, const Rule&) {
  std::array<State*, Rule::slots> states;
  for (std::size_t slot = 0; slot < states.size(); ++slot)
    states[slot] = &state.slot(slot).template get<State>(layer);
  return states;
}

// What `part` finds in each of them.
template <class State, std::size_t N, class Part>
static auto parts(const std::array<State*, N>& states, Part&& part) {
  std::array<decltype(part(*states[0])), N> found;
  for (std::size_t i = 0; i < N; ++i) found[i] = part(*states[i]);
  return found;
}

// The first rows that the next unit's gradient reads.
template <class T>
void Trainer<T>::expect_next_unit(std::size_t number, Ahead& ahead) const {
  if (number + 1 == units_.size()) return;
  const auto& [layer, dense] = units_[number];
  const auto& [next_layer, next] = units_[number + 1];
  const LayerWork<T>& work = pass_.work(next_layer);
  if (network_.get<BatchNorm>(next_layer) || work.block_sums) return;
  const Range first{0, std::min(pass_.settings().rows, kGradientRows)};
  expect(work.dy, next.outputs, first, ahead);
  if (next_layer != layer || next.inputs.begin != dense.inputs.begin)
    expect(work.x, next.inputs, first, ahead);
}

// What a unit's update changes (the last few outputs' is little): the weights, which
// other threads have read, and what only one thread ever needs.
template <class T>
template <class State, std::size_t N>
void Trainer<T>::expect_updated(std::size_t number, const std::array<State*, N>& states,
                                Ahead& ahead) const {
  constexpr Index L = kLanes<T>;
  const auto& [layer, dense] = units_[number];
  if (dense.narrow > 0) return;
  const Range inputs{dense.inputs.begin * L, dense.inputs.end * L};
  const Range outputs{dense.outputs.begin * L, dense.outputs.end * L};
  const State& weights = parameters_.template get<State>(layer);
  if (weights.has_transposed())
    expect(weights.transposed.panels, dense.inputs, outputs, ahead, Use::write);
  if (weights_are_far_)
    for (const State* s : states)
      expect(s->weight.panels, dense.outputs, inputs, ahead);
  expect(weights.weight.panels, dense.outputs, inputs, ahead, Use::write);
}

// The weight gradient is never stored (but for the row blocks' sums of a few outputs):
// each of its blocks is used up in L1.
template <class T>
template <class Rule>
double Trainer<T>::update_dense(std::size_t number, const Rule& rule, T* scratch) {
  using State = DenseState<T>;
  constexpr Index L = kLanes<T>;
  const Index layer = units_[number].layer;
  const DenseUnit& unit = units_[number].dense;
  State& dense = parameters_.template get<State>(layer);
  const LayerWork<T>& work = pass_.work(layer);
  const GradientForm<T> penalized{scale_, static_cast<T>(settings_.alpha)};
  const auto states = layer_states<State>(state_, layer, rule);
  Vec<T> squares(0);
  const auto apply = [&](GradientForm<T> form, Index n, auto&& part,
                         const T* gradient) {
    fastmlp::update(rule, form, n, part(dense), gradient, parts(states, part), squares);
  };
  const auto weights = [&](Range inputs, Index j, const T* gradient) {
    const auto rows = [&](const State& s) {
      return s.weight.panels.at(j, inputs.begin);
    };
    apply(penalized, inputs.size() * L, rows, gradient);
    if (!dense.has_transposed()) return;
    for (Index i = inputs.begin; i < inputs.end; i += L)
      transpose_block(dense.weight.panels.at(j, i),
                      dense.transposed.panels.at(i / L, j * L));
  };
  const auto narrow = [&](Index i, const T* gradient) {
    const auto block = [&](const State& s) { return s.narrow(i); };
    apply(penalized, unit.narrow * L, block, gradient);
  };
  const auto biases = [&](Range panels, const T* gradient) {
    const auto lanes = [&](const State& s) { return s.bias.data() + panels.begin * L; };
    apply({scale_}, panels.size() * L, lanes, gradient);
  };
  Ahead ahead;
  if (weights_are_far_) expect_next_unit(number, ahead);
  if (weights_are_far_ || n_threads_ > 1) expect_updated(number, states, ahead);
  const Index rows = pass_.settings().rows;
  if (weights_are_far_ && !work.block_sums)
    expect_later_rows(unit, work.dy, rows, ahead);
  pass_.dense_gradient(units_[number], scratch, ahead,
                       GradientSink{weights, narrow, biases});
  return static_cast<double>(sum(squares));
}

template <class T>
template <class Rule>
void Trainer<T>::update_batch_norm(Index layer, const Rule& rule) {
  using State = BatchNormState<T>;
  State& norm = parameters_.template get<State>(layer);
  const BatchStatistics<T>& batch = pass_.work(layer).batch;
  const auto scale = [](const State& s) { return s.scale.data(); };
  const auto shift = [](const State& s) { return s.shift.data(); };
  const auto states = layer_states<State>(state_, layer, rule);
  const GradientForm<T> form{scale_};
  Vec<T> squares(0);  // stays so: there is no penalty
  fastmlp::update(rule, form, batch.features, scale(norm), batch.scale_gradient.data(),
                  parts(states, scale), squares);
  fastmlp::update(rule, form, batch.features, shift(norm), batch.shift_gradient.data(),
                  parts(states, shift), squares);
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace fastmlp
