// A network that only answers: parameters loaded once, and predictions in bounded
// memory for any number of callers at a time.
#pragma once

#include <array>
#include <atomic>

#include "criterion.hpp"
#include "pass.hpp"
#include "short_calls.hpp"

namespace fastmlp {

enum class Prediction { done, stopped, not_finite };

// Items between two uses. Without a lock, since a fork may come while another thread
// holds it.
template <class Item>
class Spares {
 public:
  Spares() = default;
  Spares(const Spares&) = delete;
  Spares& operator=(const Spares&) = delete;
  ~Spares() {
    while (take()) continue;
  }

  // Null where none is left.
  std::unique_ptr<Item> take() {
    for (auto& place : places_)
      if (Item* const item = place.exchange(nullptr, std::memory_order_acq_rel))
        return std::unique_ptr<Item>(item);
    return nullptr;
  }
  // One too many is deleted.
  void keep(std::unique_ptr<Item> item) {
    for (auto& place : places_) {
      Item* none = nullptr;
      if (!place.compare_exchange_strong(none, item.get(), std::memory_order_acq_rel))
        continue;
      static_cast<void>(item.release());
      return;
    }
  }

 private:
  std::array<std::atomic<Item*>, 16> places_{};
};

// What one thread needs to predict some rows.
template <class T>
struct PredictionWorkspace {
  Pass<T> pass;
  LossScratch<T> scratch;
  PredictionWorkspace(const Network& network, Index rows, bool sparse = false)
      : pass(network, rows, Pass<T>::Purpose::inference, std::nullopt, sparse),
        scratch(network.out_features()) {}
};

// What is asked.
struct Question {
  RowSource rows;
  bool check_finite = false;  // give up where they hold a number that is not finite
};

// `network` outlives the predictor; the parameters, in the order of its slices, are
// copied, but for those weights that a single question leaves where they are, which
// outlive it, too.
template <class T>
class Predictor {
 public:
  using Workspace = PredictionWorkspace<T>;

  // A single output is the probability of the second of two classes: `both_classes`
  // gives it a column for the first one, too.
  Predictor(const Network& network, const std::vector<const T*>& parameters,
            const Loss& loss, bool both_classes)
      : Predictor(network, parameters, loss, both_classes, Layout::packed, false,
                  own_) {}
  // For a single question, about these rows, and so many threads. `spares`, which
  // outlives the predictor, hands workspaces for a few rows on to the next one by this
  // very network: to make one takes a tenth of a small network's time. Large ones are
  // not kept.
  Predictor(const Network& network, const std::vector<const T*>& parameters,
            const Loss& loss, bool both_classes, const RowSource& rows, int n_threads,
            Spares<Workspace>& spares)
      : Predictor(network, parameters, loss, both_classes,
                  layout_for(network, rows.n, n_threads),
                  suits_sparse<T>(network, rows), is_small(network) ? spares : own_) {}

  // The loss's predictions into `to` (n, columns). A row's bits do not depend on the
  // rows around it, if weights are finite.
  Prediction operator()(const Question& question, T* to,
                        const Execution& execution) const;

  Index columns() const { return columns(network_, both_classes_); }
  static Index columns(const Network& network, bool both_classes) {
    const Index outputs = network.out_features();
    return both_classes && outputs == 1 ? 2 : outputs;
  }
  double flops(Index n) const { return flops(network_, n); }
  const Parameters<T>& parameters() const { return parameters_; }

 private:
  using Workspaces = std::vector<std::unique_ptr<Workspace>>;

  Predictor(const Network& network, const std::vector<const T*>& parameters,
            const Loss& loss, bool both_classes, Layout layout, bool first_in_place,
            Spares<Workspace>& for_few_rows);
  static double flops(const Network& network, Index n) {
    return 2 * static_cast<double>(n) * static_cast<double>(network.weights());
  }
  static Layout layout_for(const Network& network, Index rows, int wanted);
  static bool is_small(const Network& network);

  Index count_blocks(Index rows, int n_threads) const;
  Spares<Workspace>& spares(Index rows) const;
  Workspaces take(int n_threads, Index rows) const;
  double operations(Index rows) const;
  bool is_short(Index rows) const;
  int threads_by_layer(Index rows, int wanted) const;
  ShortCalls::Kind kind(Index rows) const;
  Prediction answer_by_layer(const Question& question, T* to, int n_threads) const;
  Prediction answer_by_rows(const Question& question, T* to,
                            const Execution& execution) const;
  Prediction answer_sparse(const Question& question, T* to,
                           const Execution& execution) const;
  Prediction answer_blocks(const Question& question, T* to, const Execution& execution,
                           Workspaces& workspaces) const;
  void answer(const Member& member, Index n, Workspace& workspace, T* to) const;

  const Network& network_;
  Loss loss_;
  bool both_classes_;
  bool first_in_place_;  // for sparse rows alone
  bool is_plain_;        // weights are read where they lie, for a single question
  Parameters<T> parameters_;
  mutable Spares<Workspace> own_, for_blocks_;
  Spares<Workspace>& for_few_rows_;  // own or another's
};

extern template class Predictor<float>;
extern template class Predictor<double>;

}  // namespace fastmlp
