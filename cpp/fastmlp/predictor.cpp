// Predictions block by block.
#include "predictor.hpp"

namespace fastmlp {
namespace {

constexpr Index kFewRows = 8;  // a workspace for them stays in the cache
// Long rows, those that come next and the first layer's weights stay in a cache (784
// columns: 96 rows at once take 2 % longer).
constexpr Index kRowsAtOnce = 48;
constexpr Index kMostAtOnce = kRowsAtOnce * 3 / 2;  // rather than two small blocks
// Each block packs plain weights for itself, and its rows want to stay in a cache: a
// packed copy of the weights pays for more rows (784-512-512-10: from some 450 on; two
// layers of 2048 take 3 % longer without one at 288).
constexpr Index kMostPlainAtOnce = 6 * kRowsAtOnce;
constexpr double kWakeUp = 1e7;  // operations, as long as it takes to wake a thread

// Rows are shared evenly, but not where each thread would get only a few.
int threads_for(double operations, Index rows, int wanted) {
  const Index most = std::min<Index>(wanted, divide_up(rows, kRowsAtOnce));
  return useful_threads({{operations, rows}}, static_cast<int>(most));
}

// Probabilities p in the second half of `to` (n, 2) become its rows 1 - p, p.
template <class T>
void complete_classes(T* to, Index n) {
  for (Index i = 0; i < n; ++i) {
    const T p = to[n + i];
    to[2 * i] = T(1) - p;
    to[2 * i + 1] = p;
  }
}

// For so many rows, by a weight.
template <class T>
double operations_each(Index rows) {
  constexpr double fetch = 2.5 * sizeof(T);  // to get it from memory
  return std::max(fetch, 2 * static_cast<double>(rows));
}

}  // namespace

template <class T>
Predictor<T>::Predictor(const Network& network, const std::vector<const T*>& parameters,
                        const Loss& loss, bool both_classes, Layout layout,
                        bool first_in_place, Spares<Workspace>& for_few_rows)
    : network_(network),
      loss_(loss),
      both_classes_(both_classes && network.out_features() == 1),
      first_in_place_(first_in_place),
      is_plain_(layout == Layout::plain),
      parameters_(network, layout, false, first_in_place),
      for_few_rows_(for_few_rows) {
  parameters_.load(network, parameters);
}

// Whether a workspace for a few rows is worth its memory.
template <class T>
bool Predictor<T>::is_small(const Network& network) {
  constexpr Index most = Index{256} << 10;  // bytes
  Index numbers = 0;
  for (Index l = 0; l <= network.size(); ++l) numbers += kFewRows * network.width(l);
  return numbers * static_cast<Index>(sizeof(T)) <= most;
}

template <class T>
Layout Predictor<T>::layout_for(const Network& network, Index rows, int wanted) {
  const int n_threads = threads_for(flops(network, rows), rows, wanted);
  return rows <= n_threads * kMostPlainAtOnce ? Layout::plain : Layout::packed;
}

// As many for each thread.
template <class T>
Index Predictor<T>::count_blocks(Index rows, int n_threads) const {
  const Index most = is_plain_ ? kMostPlainAtOnce : kMostAtOnce;
  if (rows <= n_threads * most) return n_threads;
  const Index at_once = n_threads * kRowsAtOnce;
  return n_threads * ((rows + at_once / 2) / at_once);
}

template <class T>
Spares<PredictionWorkspace<T>>& Predictor<T>::spares(Index rows) const {
  return rows <= kFewRows ? for_few_rows_ : for_blocks_;
}

template <class T>
typename Predictor<T>::Workspaces Predictor<T>::take(int n_threads, Index rows) const {
  Index capacity = kMostAtOnce;  // to be kept for any other calls
  if (rows <= kFewRows) {
    capacity = kFewRows;
  } else if (is_plain_) {
    capacity = divide_up(rows, count_blocks(rows, n_threads));
  }
  Workspaces workspaces;
  for (int i = 0; i < n_threads; ++i) {
    auto workspace = spares(rows).take();
    if (!workspace) workspace = std::make_unique<Workspace>(network_, capacity);
    workspaces.push_back(std::move(workspace));
  }
  return workspaces;
}

// How long a call takes that reads all weights once, in operations.
template <class T>
double Predictor<T>::operations(Index rows) const {
  return operations_each<T>(rows) * static_cast<double>(network_.weights());
}

// Shorter than to wake a thread that shares it.
template <class T>
bool Predictor<T>::is_short(Index rows) const {
  return operations(rows) < 2 * kWakeUp;
}

// Up to kRowsAtOnce rows are too few for threads to share, but with enough weights they
// may share each layer. Only so many that each has nearly as much to do as it takes to
// wake it (50 us); short calls are for threads that are awake.
template <class T>
int Predictor<T>::threads_by_layer(Index rows, int wanted) const {
  constexpr double least = 2e6;  // operations; most networks need no more thought
  const double all = operations(rows);
  if (rows > kRowsAtOnce || wanted == 1 || all < least) return 1;
  const double each = operations_each<T>(rows);
  std::vector<Phase> phases;
  for (Index l = 0; l < network_.size(); ++l) {
    const Index outputs = network_.width(l + 1);
    const auto weights = static_cast<double>(network_.width(l) * outputs);
    const bool is_dense = network_.template get<Dense>(l) != nullptr;
    phases.push_back({is_dense ? each * weights : 0, divide_up(outputs, kLanes<T>)});
  }
  const double worth =
      is_short(rows) ? wanted : std::min<double>(wanted, all / kWakeUp);
  return useful_threads(phases, static_cast<int>(worth));
}

// Calls of the same rows by the same network: up to kRowsAtOnce.
template <class T>
ShortCalls::Kind Predictor<T>::kind(Index rows) const {
  const auto place = reinterpret_cast<std::uintptr_t>(&network_);
  return static_cast<ShortCalls::Kind>(place) * (kRowsAtOnce + 1) +
         static_cast<ShortCalls::Kind>(rows);
}

template <class T>
Prediction Predictor<T>::operator()(const Question& question, T* to,
                                    const Execution& execution) const {
  const Index n = question.rows.n;
  if (n == 0) return Prediction::done;
  if (first_in_place_ || suits_sparse<T>(network_, question.rows))
    return answer_sparse(question, to, execution);
  const int by_layer = threads_by_layer(n, execution.n_threads);
  if (by_layer == 1) return answer_by_rows(question, to, execution);
  const bool is_long = !is_short(n);
  const double start = now();
  const bool by_team = is_long || short_calls.is_for_team(start, kind(n));
  const Prediction state = by_team ? answer_by_layer(question, to, by_layer)
                                   : answer_by_rows(question, to, execution);
  if (state != Prediction::done) return state;  // that tells nothing about either
  if (is_long) {
    short_calls.team_worked(now());
  } else if (by_team) {
    short_calls.done_by_team(start, now(), kind(n));
  } else {
    short_calls.done(start, now(), kind(n));
  }
  return state;
}

// So short that nobody is asked whether to go on.
template <class T>
Prediction Predictor<T>::answer_by_layer(const Question& question, T* to,
                                         int n_threads) const {
  const Index n = question.rows.n;
  Workspaces workspaces = take(1, n);
  Workspace& workspace = *workspaces.front();
  const bool finite =
      workspace.pass.take_in(question.rows, parameters_, question.check_finite);
  if (finite)
    run_team(n_threads,
             [&](const Member& member) { answer(member, n, workspace, to); });
  spares(n).keep(std::move(workspaces.front()));
  return finite ? Prediction::done : Prediction::not_finite;
}

template <class T>
Prediction Predictor<T>::answer_by_rows(const Question& question, T* to,
                                        const Execution& execution) const {
  const Index n = question.rows.n;
  Workspaces workspaces = take(threads_for(flops(n), n, execution.n_threads), n);
  const Prediction state = answer_blocks(question, to, execution, workspaces);
  for (auto& workspace : workspaces) spares(n).keep(std::move(workspace));
  return state;
}

template <class T>
Prediction Predictor<T>::answer_sparse(const Question& question, T* to,
                                       const Execution& execution) const {
  constexpr double entry = 8;  // times as long as a weight of a dense row
  const auto& [x, order, n, known] = question.rows;
  const auto entries = static_cast<double>(count_entries({x, order}, n));
  const auto first = static_cast<double>(network_.width(1));
  const double zeros =
      static_cast<double>(n) * static_cast<double>(x.columns) - entries * entry;
  const double operations = flops(n) - 2 * zeros * first;
  const int n_threads = threads_for(operations, n, execution.n_threads);
  const Index at_once = divide_up(n, count_blocks(n, n_threads));
  Workspaces workspaces;
  for (int i = 0; i < n_threads; ++i)
    workspaces.push_back(std::make_unique<Workspace>(network_, at_once, true));
  return answer_blocks(question, to, execution, workspaces);
}

// By as many threads as there are workspaces.
template <class T>
Prediction Predictor<T>::answer_blocks(const Question& question, T* to,
                                       const Execution& execution,
                                       Workspaces& workspaces) const {
  const Index n = question.rows.n;
  const Index blocks = count_blocks(n, static_cast<int>(workspaces.size()));
  std::atomic<Prediction> state{Prediction::done};
  run_team(static_cast<int>(workspaces.size()), [&](const Member& member) {
    Workspace& workspace = *workspaces[static_cast<std::size_t>(member.index)];
    const auto* keep_going = member.index == 0 ? execution.keep_going : nullptr;
    Team alone(1);
    member.each(blocks, [&](Index block) {
      if (state.load(std::memory_order_relaxed) != Prediction::done) return;
      if (keep_going && !(*keep_going)()) {
        state = Prediction::stopped;
        return;
      }
      const Range rows = even_part(n, blocks, block);
      const RowSource part = question.rows.part(rows);
      if (workspace.pass.take_in(part, parameters_, question.check_finite)) {
        answer({0, 1, alone}, part.n, workspace, to + rows.begin * columns());
      } else {
        auto expected = Prediction::done;  // a stop stays a stop
        state.compare_exchange_strong(expected, Prediction::not_finite);
      }
    });
  });
  return state;
}

// All members of a team call this, and member 0 writes the answers.
template <class T>
void Predictor<T>::answer(const Member& member, Index n, Workspace& workspace,
                          T* to) const {
  workspace.pass.infer(member);
  if (member.index > 0) return;
  T* const outputs = both_classes_ ? to + n : to;
  const Range all{0, n};
  predict(loss_, workspace.pass.output(all), all, outputs, workspace.scratch);
  if (both_classes_) complete_classes(to, n);
}

template class Predictor<float>;
template class Predictor<double>;

}  // namespace fastmlp
