// Mini-batch training: gather, forward, loss, backward, update; one parallel region for
// a whole piece of work, two barriers for each part of a step (mostly all of it) or,
// where threads exchange sums, three.
#pragma once

#include "criterion.hpp"
#include "crowding.hpp"
#include "optimizer_state.hpp"
#include "pass.hpp"

namespace fastmlp {

// The data of a fit; all of it belongs to the caller.
template <class T>
struct TrainingData {
  InputView x;
  Targets<T> targets;
  const T* sample_weight = nullptr;  // by row; may be null
};

struct TrainerSettings {
  double alpha = 0;  // L2 penalty on the weights of Dense layers
  Index batch_size = 1;
  std::uint64_t seed = 0;  // of dropout
  std::int64_t step = 0;   // steps done so far
  int n_threads = 1;
  bool clip = false;  // report losses as scikit-learn does
};

// Trains a packed copy of the parameters: their plain arrays, in the order of
// Network::slices(), are read at construction and written by save(). The optimizer's
// state, of a network with the same slices, belongs to the caller, and changes.
template <class T>
class Trainer {
 public:
  Trainer(Network network, Loss loss, Optimizer optimizer, TrainingData<T> data,
          TrainerSettings settings, const std::vector<const T*>& parameters,
          OptimizerState<T>& state);

  // An epoch over rows order[0..rows), with a learning rate for each batch; both arrays
  // must outlive it.
  void begin_epoch(const Index* order, Index rows, const double* learning_rates);

  enum class Progress { epoch_done, time_up, abandoned };
  // Works for about `seconds` at most, or one step if that is longer. Member 0 asks
  // `keep_going` between row blocks; a step abandoned there has changed nothing.
  //
  // Subnormal results are flushed to zero meanwhile: gradients of well-fitted rows,
  // their squares, and momentum of dead units become that small (without it, 100 epochs
  // of 20-64-1 take 1.4 times as long on an Intel processor, 1000 epochs 2.2 times).
  Progress run(double seconds, const std::function<bool()>& keep_going);

  void save(const std::vector<T*>& parameters) const {
    parameters_.save(network_, parameters);
  }

  // The mean over the epoch's rows so far of the batches' losses, each measured before
  // its update and with the L2 term, as scikit-learn reports it.
  double loss() const {
    return static_cast<double>(loss_sum_) /
           static_cast<double>(std::max<Index>(1, position_));
  }
  std::int64_t step() const { return settings_.step; }
  Index batch_size() const { return settings_.batch_size; }
  int n_threads() const { return n_threads_; }

 private:
  void prepare_step();
  void step(const Member& member);
  void rows_phase(const Member& member);
  void finish_rows();
  void finish_part();
  void finish_step();
  bool is_time_up();

  void weights_phase(const Member& member);
  void sum_pieces(const Member& member, Range mine, TileScratch* tiles);
  void add_pieces(std::size_t unit, T* sums) const;
  const UnitSums<T>& piece_sums(Index piece) const {
    return piece_sums_[static_cast<std::size_t>(piece)];
  }
  double update(std::size_t number, T* sums);
  void expect_around(std::size_t number, Range pieces, bool updates,
                     Ahead& ahead) const;
  void expect_next_unit(std::size_t number, Range first, Ahead& ahead) const;
  void expect_updated(std::size_t number, Ahead& ahead) const;
  template <class Rule>
  double update_dense(std::size_t number, const Rule& rule, T* sums);
  template <class Rule>
  void update_batch_norm(Index layer, const Rule& rule);
  // A member's part of all units, `times` over.
  Range share_of_units(Index times, int member, int members) const;

  Network network_;
  Loss loss_;
  Optimizer optimizer_;
  TrainingData<T> data_;
  TrainerSettings settings_;
  double step_operations_;
  int n_threads_;
  Crowding crowding_;
  bool is_sparse_;
  std::vector<bool> tiled_;  // by layer
  Reporting<T> reporting_;

  Parameters<T> parameters_;
  OptimizerState<T>& state_;
  Pass<T> pass_;
  bool rows_are_long_;    // enough to be asked for ahead
  bool weights_are_far_;  // too many to stay near a core for a step
  std::vector<GradientUnit> units_;
  std::vector<double> cost_before_;  // of all units before a unit; one more than units
  std::vector<LossScratch<T>> loss_scratch_;  // by thread
  std::vector<Buffer<T>> gradient_scratch_;   // by thread
  std::vector<UnitSums<T>> piece_sums_;       // where threads exchange them, by piece
  std::optional<UnitSums<T>> sums_so_far_;    // of the parts, where there are several

  const Index* order_ = nullptr;
  const double* learning_rates_ = nullptr;
  Index rows_ = 0;      // of the epoch
  Index position_ = 0;  // rows done
  Index batch_ = 0;     // batches done
  double loss_sum_ = 0;

  // Of the step under way.
  Buffer<T> weight_;  // sample weights by row in the batch
  double weight_sum_ = 0;
  T scale_ = T(0);  // 1 / weight_sum, or 0 where all weights are 0
  OptimizerRule<T> rule_;
  std::vector<double> block_loss_;
  std::vector<double> unit_norm_;  // sums of squared weights
  double batch_loss_ = 0;
  double deadline_ = 0;
  double operations_ = 0;  // since the last look at the clock
  bool stop_ = false;
};

extern template class Trainer<float>;
extern template class Trainer<double>;

}  // namespace fastmlp
