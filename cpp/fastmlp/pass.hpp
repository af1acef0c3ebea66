// A pass of a batch over a network, forward and back, and what the layers keep for it.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "layers/sparse_dense.hpp"
#include "partition.hpp"
#include "row_source.hpp"

namespace fastmlp {

// What one of `size` threads computes of every layer's output: alone, all of it; of a
// small one, perhaps nothing.
struct Share {
  int index = 0;
  int size = 1;

  Range of(Index panels) const {
    return size == 1 ? Range{0, panels} : even_part(panels, size, index);
  }
};

// What a pass is asked to do.
template <class T>
struct PassSettings {
  Index rows = 0;
  bool training = false;
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  const T* weight = nullptr;  // by row in the batch; may be null
};

// Row blocks, one after the other, that a thread takes together: one, unless the thread
// is alone or layers take tiles.
struct RowBlocks {
  Range numbers;
  Range rows;
};

// The memory of a pass over a batch of up to `capacity` rows, and the pass itself:
// forward and, on the way back, the gradients with respect to every layer's output.
// Members of a team call it together; between calls with a barrier inside, all its
// state is theirs.
//
// A batch may go through in parts of some of the gradient's pieces, one after the
// other, in memory for one part. Blocks and rows are numbered in the batch, pieces in
// the part.
template <class T>
class Pass {
 public:
  enum class Purpose { inference, gradients, gradients_of_input_too };

  // In parts of so many pieces at most, or in one part where that is null. Rows come
  // dense or, where they suit it, sparse (see suits_sparse).
  // Layers that are `tiled`, by number, are multiplied as tiles, by so many threads.
  Pass(const Network& network, Index capacity, Purpose purpose,
       std::optional<Index> pieces_at_a_time = std::nullopt, bool is_sparse = false,
       const std::vector<bool>& tiled = {}, int n_threads = 1);
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // Before batches of these rows, one after the other, for gradients.
  void reserve(const RowSource& source);
  // Of rows that `fill` takes in.
  void begin(const PassSettings<T>& settings, const Parameters<T>& parameters,
             const RowSource& source);
  const PassSettings<T>& settings() const { return settings_; }

  Index pieces_at_a_time() const {
    eigen_assert(pieces_at_a_time_);
    return *pieces_at_a_time_;
  }
  // Once all of a part is done: false where it was the last one.
  bool next_part();
  bool is_first_part() const { return part_ == 0; }
  bool is_last_part() const { return part_ + 1 == parts_; }

  // Panels in which `rows`, of the part, have their numbers in the batch. Where the
  // part's halves lie apart, all of `rows` must be in the same one.
  Panels<T> input(Range rows) const { return placed(input_, rows); }
  Panels<T> output(Range rows) const { return placed(works_.back().rows.y, rows); }
  Panels<T> output_gradient(Range rows) const {
    return placed(works_.back().rows.dy, rows);
  }
  Panels<T> input_gradient(Range rows) const {
    return placed(works_.front().rows.dx, rows);
  }
  LayerRows<T> layer_rows(Index l, Range rows) const {
    const LayerRows<T>& w = work(l).rows;
    return {placed(w.x, rows), placed(w.y, rows), placed(w.dx, rows),
            placed(w.dy, rows), placed(w.slope, rows)};
  }
  // See dense_backward_few.
  bool has_block_sums(Index l) const { return bool{work(l).block_sums}; }
  bool uses_tiles() const { return !tile_scratch_.empty(); }
  bool is_tiled(Index l) const { return bool{work(l).dy_tiles}; }
  // Of a batch norm.
  const BatchStatistics<T>& batch(Index l) const { return work(l).batch; }

  // Before a member sums the gradient of rows that are new: no strip is theirs yet.
  TileScratch* begin_gradient(const Member& member) {
    TileScratch* const scratch = tile_scratch(member);
    if (scratch) scratch->strip.layer = -1;
    return scratch;
  }

  // Forget that somebody said no, for the way back.
  void resume() { abandoned_ = false; }

  // Inference: before a team starts, one thread takes rows in, which stay where they
  // are until the end; false where they are checked and hold a number that is not
  // finite. Then all members of the team call `infer`: they share every layer's output,
  // and member 0 has all of it in the end.
  bool take_in(const RowSource& source, const Parameters<T>& parameters,
               bool check_finite);
  void infer(const Member& member);

  // Takes in rows of what `begin` was given.
  void fill(const RowBlocks& blocks);

  // source(blocks, way) fills rows of the input, and may tell what will be wanted after
  // them; top(blocks, way) finds rows of the output. After this, backward_rest or
  // each_row_blocks, a barrier comes before the next shared work.
  template <class Source, class Top>
  void forward(const Member& member, Source&& source, Top&& top);
  // From rows of the output gradient down to the last batch norm ...
  void backward_top(const RowBlocks& blocks, Way<T>& way);
  // ... and, once all blocks are there, to the bottom.
  void backward_rest(const Member& member);

  Index batch_blocks() const { return batch_blocks_; }
  // Of this batch and of this part: see exchanges_sums and gradient_pieces.
  bool exchanges() const { return exchanges_; }
  Index pieces() const { return pieces_.size(); }
  Range rows_of_piece(Index piece) const { return rows_of(blocks_of_piece(piece)); }
  // One unit of a Dense layer's weight gradient, once all blocks are back: a piece of
  // it, or all of it, added to that of the parts before.
  void sum_piece(const GradientUnit& unit, Index piece, bool adds, T* sums,
                 Way<T>& way) const {
    sum_piece(unit, piece, blocks_of_piece(piece), adds, sums, way);
  }
  void sum_gradient(const GradientUnit& unit, T* sums, Way<T>& way) const {
    for (Index piece = 0; piece < pieces(); ++piece)
      sum_piece(unit, piece, blocks_, piece > 0 || !is_first_part(), sums, way);
  }

  // Moves running statistics after a training pass.
  void commit(Parameters<T>& parameters) const;

  // Calls f(blocks, way) for the part's blocks, shared by a team; member 0 asks
  // `keep_going` in between, and nobody goes on once it has said no.
  template <class F>
  void each_row_blocks(const Member& member, F&& f);
  // Calls f(block, rows) for each of some blocks.
  template <class F>
  void each_block(const RowBlocks& blocks, F&& f) const {
    for (Index block = blocks.numbers.begin; block < blocks.numbers.end; ++block)
      f(block, rows_of_block(block));
  }
  // The rows that a member of a team will take after some blocks, if all batches are of
  // one size: those of the next blocks in its share or, after the last ones, of the
  // first ones in the next part or batch, counted on from this batch.
  Range rows_after(const Member& member, const RowBlocks& blocks) const;
  void watch(const std::function<bool()>* keep_going) { keep_going_ = keep_going; }
  bool abandoned() const { return abandoned_.load(std::memory_order_relaxed); }

  const Network& network() const { return network_; }

 private:
  const LayerWork<T>& work(Index l) const {
    return works_[static_cast<std::size_t>(l)];
  }
  LayerWork<T>& work(Index l) { return works_[static_cast<std::size_t>(l)]; }
  Panels<T> allocate(Index rows, Index columns);
  // `apart_` rows more after each half; whole tiles of rows, where a layer takes them.
  Panels<T> allocate_rows(Index columns) {
    return allocate(round_up(capacity_, together_) + 2 * apart_, columns);
  }
  Panels<T> placed(Panels<T> panels, Range rows) const {
    eigen_assert(rows.begin >= rows_.begin && rows.end <= rows_.end);
    eigen_assert(apart_ == 0 || rows.end <= second_half_ || rows.begin >= second_half_);
    const Index gap = rows.begin >= second_half_ ? apart_ : 0;
    if (panels) panels.data += (gap - rows_.begin) * kLanes<T>;
    return panels;
  }
  Range rows_of_block(Index block) const {
    const Index rows = settings_.rows;
    if (together_ == 1) return even_part(rows, batch_blocks_, block);
    // Spread over all blocks, so that halves differ by one group at most.
    const auto boundary = [&](Index b) {
      const Index groups = divide_up(rows, together_);
      return std::min(rows, groups * b / batch_blocks_ * together_);
    };
    return {boundary(block), boundary(block + 1)};
  }
  Range rows_of(Range blocks) const {
    return {rows_of_block(blocks.begin).begin, rows_of_block(blocks.end - 1).end};
  }
  // As many blocks as leave equal shares and straddle no halves that lie apart. Several
  // threads without tiles take one each: two at once gained little, and lost as much.
  Index blocks_at_once(const Member& member) const {
    if (!uses_tiles() && member.size > 1) return 1;
    const Index most_rows = uses_tiles() ? kMostRowsInTiles : kMostRowsAlone;
    const Index block_rows = round_up(most_block_rows(settings_.rows), together_);
    Index n = most_rows / block_rows;
    const auto fits = [&] {
      const bool is_fair = member.size == 1 || blocks_.size() % (n * member.size) == 0;
      return is_fair && blocks_before_gap_ % n == 0;
    };
    while (n > 1 && !fits()) --n;
    return n;
  }
  Range blocks_of_piece(Index piece) const {
    return even_part(batch_blocks_, batch_pieces_, pieces_.begin + piece);
  }
  SparseRows sparse_rows() const { return {source_.x, source_.order}; }
  void begin_part(Index part);
  void allocate_outputs(bool gradients);
  bool overwrites_input(const Dense& layer) const;
  void allocate_gradients();
  void allocate_tiles(const std::vector<bool>& tiled, int n_threads);

  void forward_rows(Index from, Index to, Range rows, Way<T>& way);
  Index forward_layer(Index l, Index to, Range rows, Share share, Way<T>& way);
  template <class Matrix>
  Index forward_dense(Index l, Index to, const Matrix& x, Range rows, Share share,
                      Way<T>& way);
  Index last_taken_along(Index l, Index to) const;
  void backward_rows(Index from, Index to, const RowBlocks& blocks, Way<T>& way);
  Index backward_layer(Index l, Index to, const RowBlocks& blocks, Way<T>& way);
  void backward_few_outputs(Index l, Index activation, const RowBlocks& blocks);
  TileScratch* tile_scratch(const Member& member) {
    if (tile_scratch_.empty()) return nullptr;
    return &tile_scratch_[static_cast<std::size_t>(member.index)];
  }
  // The first group of some rows; blocks consist of whole ones, but for the last.
  Index group_of(Range rows) const { return (rows.begin - rows_.begin) / kTileRows; }
  void fill_tiles(Range rows);
  Tiles strip_of(const GradientUnit& unit, Range blocks, Strip& strip) const;
  // `near`: the blocks whose inputs are kept at hand for the units after this one.
  void sum_piece(const GradientUnit& unit, Index piece, Range near, bool adds, T* sums,
                 Way<T>& way) const;
  Index bottom_of(std::size_t batch_norm) const;
  void end_way(std::size_t batch_norm, const RowBlocks& blocks);

  const Network& network_;
  std::optional<Index> pieces_at_a_time_;
  Index together_;           // rows that stay in one block: groups of tiles
  Index capacity_;           // rows of a part
  Index block_rows_;         // of a row block, at most
  bool is_sparse_;           // its input
  Index apart_ = 0;          // rows between its halves where sums are exchanged
  Index last_gradient_ = 0;  // the lowest layer whose backward pass is needed
  Fill unwritten_;           // what its memory holds until it is written
  Panels<T> input_;          // empty where it is sparse
  std::optional<GroupedEntries<T>> entries_;  // of that, for its gradient
  std::vector<LayerWork<T>> works_;
  std::vector<PanelBuffer<T>> memory_;
  std::vector<TileBuffer> tile_memory_;
  std::vector<TileScratch> tile_scratch_;  // by thread

  PassSettings<T> settings_;
  bool exchanges_ = false;
  Index batch_blocks_ = 1;
  Index batch_pieces_ = 1;
  Index parts_ = 1;
  Index part_ = 0;
  Range pieces_, blocks_, rows_;  // of the part, in the batch
  Index second_half_ = 0;         // its row, if sums are exchanged; else after all
  Index blocks_before_gap_ = 0;   // none where there is no gap
  RowSource source_;
  std::optional<RowMajor<T>> in_place_;  // its rows, where a layer reads them there
  const Parameters<T>* parameters_ = nullptr;
  const std::function<bool()>* keep_going_ = nullptr;
  std::atomic<bool> abandoned_{false};  // somebody said no
};

template <class T>
template <class F>
void Pass<T>::each_row_blocks(const Member& member, F&& f) {
  const Index at_once = blocks_at_once(member);
  member.each(divide_up(blocks_.size(), at_once), [&](Index i) {
    if (abandoned()) return;  // who has said no is not asked again
    if (member.index == 0 && keep_going_ && !(*keep_going_)()) {
      abandoned_ = true;
      return;
    }
    const Index first = blocks_.begin + i * at_once;
    const Range numbers{first, std::min(blocks_.end, first + at_once)};
    const UsingTiles<T> unit_in_use(uses_tiles());  // not while somebody is asked
    // Others will read these rows, to sum the gradient, unless they exchange sums.
    Way<T> way{Ahead(member.size > 1 && !exchanges_), tile_scratch(member)};
    f(RowBlocks{numbers, rows_of(numbers)}, way);
  });
}

template <class T>
void Pass<T>::reserve(const RowSource& source) {
  if (is_sparse_)
    entries_->reserve(most_entries({source.x, source.order}, source.n, block_rows_));
}

template <class T>
void Pass<T>::fill(const RowBlocks& blocks) {
  if (is_sparse_) {
    each_block(blocks, [&](Index block, Range rows) {
      entries_->take(block - blocks_.begin, sparse_rows(), rows);
    });
  } else {
    const Range rows = blocks.rows;
    gather(source_.x, source_.order, rows, source_.known, input(rows));
  }
}

template <class T>
template <class Source, class Top>
void Pass<T>::forward(const Member& member, Source&& source, Top&& top) {
  Index from = 0;
  bool filled = false;
  if (settings_.training) {
    for (const Index l : network_.batch_norms()) {
      each_row_blocks(member, [&](const RowBlocks& blocks, Way<T>& way) {
        if (!filled) source(blocks, way);
        forward_rows(from, l, blocks.rows, way);
        each_block(blocks, [&](Index block, Range rows) {
          batch_norm_collect(layer_rows(l, rows).x, rows, settings_.weight, block,
                             work(l).batch);
        });
      });
      member.barrier([&] {
        batch_norm_combine(*network_.get<BatchNorm>(l), batch_blocks_, work(l).batch);
      });
      from = l;
      filled = true;
    }
  }
  each_row_blocks(member, [&](const RowBlocks& blocks, Way<T>& way) {
    if (!filled) source(blocks, way);
    forward_rows(from, network_.size(), blocks.rows, way);
    top(blocks, way);
  });
}

extern template class Pass<float>;
extern template class Pass<double>;

}  // namespace fastmlp
