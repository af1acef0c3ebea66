// A network: layers in order, their sizes, and their parameters, packed for the
// products.
#pragma once

#include <string>
#include <vector>

#include "layers/layer.hpp"

namespace fastmlp {

// One array of parameters or running statistics, as users see it.
struct Slice {
  std::string name;  // "0.weight": layer and role
  std::vector<Index> shape;
  bool trainable;
  bool operator==(const Slice&) const = default;
};

// The layers and their sizes; the same for every precision.
class Network {
 public:
  // Throws std::invalid_argument where neighbours do not fit.
  explicit Network(std::vector<Layer> layers);

  const std::vector<Layer>& layers() const { return layers_; }
  Index size() const { return static_cast<Index>(layers_.size()); }
  // Columns of the input of layer `l`; of the output of layer l - 1.
  Index width(Index l) const { return widths_[static_cast<std::size_t>(l)]; }
  Index in_features() const { return widths_.front(); }
  Index out_features() const { return widths_.back(); }

  const std::vector<Slice>& slices() const { return slices_; }
  Index first_trainable() const;  // the first layer with parameters
  const std::vector<Index>& batch_norms() const { return batch_norms_; }
  Index weights() const;  // of all Dense layers, biases not counted

  template <class Kind>
  const Kind* get(Index l) const {
    return std::get_if<Kind>(&layers_[static_cast<std::size_t>(l)]);
  }

 private:
  void list_slices();

  std::vector<Layer> layers_;
  std::vector<Index> widths_;
  std::vector<Index> batch_norms_;
  std::vector<Slice> slices_;
};

// Every layer's parameters, packed from plain row-major arrays and back; in the plain
// layout and in place, weights are borrowed: they stay where they are, and the arrays
// outlive the parameters. The
// arrays come in the order of Network::slices(); null arrays of a batch norm are passed
// over.
template <class T>
class Parameters {
 public:
  // The lowest layer takes part in the way back only where the gradient with respect to
  // the network's input is asked for; where rows are sparse, its weights may stay in
  // place. Layers that are `tiled`, by number, are kept for tiles.
  Parameters(const Network& network, Layout layout, bool input_gradient = false,
             bool first_in_place = false, const std::vector<bool>& tiled = {});

  void load(const Network& network, const std::vector<const T*>& arrays);
  // Not where weights are borrowed.
  void save(const Network& network, const std::vector<T*>& arrays) const;

  template <class State>
  State& get(Index l) {
    return std::get<State>(states_[static_cast<std::size_t>(l)]);
  }
  template <class State>
  const State& get(Index l) const {
    return std::get<State>(states_[static_cast<std::size_t>(l)]);
  }

 private:
  std::vector<LayerState<T>> states_;
};

extern template class Parameters<float>;
extern template class Parameters<double>;

}  // namespace fastmlp
