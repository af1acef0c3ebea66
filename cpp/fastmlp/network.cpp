// How layers fit together, and where each finds its parameters.
#include "network.hpp"

#include <sstream>
#include <stdexcept>

namespace fastmlp {
namespace {

struct Sizes {
  Index in = 0;  // 0: any
  Index out = 0;
};

Sizes sizes(const Layer& layer) {
  if (const auto* dense = std::get_if<Dense>(&layer))
    return {dense->in_features, dense->out_features};
  if (const auto* norm = std::get_if<BatchNorm>(&layer))
    return {norm->features, norm->features};
  return {};
}

const char* kind(const Layer& layer) {
  return std::holds_alternative<Dense>(layer) ? "Dense" : "BatchNorm";
}

}  // namespace

Network::Network(std::vector<Layer> layers) : layers_(std::move(layers)) {
  Index width = 0;
  for (const Layer& layer : layers_)
    if (width == 0) width = sizes(layer).in;
  if (width == 0)
    throw std::invalid_argument(
        "layers must hold at least one Dense or BatchNorm, which tell the sizes");
  widths_.push_back(width);
  for (Index l = 0; l < size(); ++l) {
    const Layer& layer = layers_[static_cast<std::size_t>(l)];
    const Sizes s = sizes(layer);
    if (s.in != 0 && s.in != width) {
      std::ostringstream message;
      message << "layer " << l << ", " << kind(layer) << ", takes " << s.in
              << " features, but " << width << " come from the layer before it";
      throw std::invalid_argument(message.str());
    }
    if (s.out != 0) width = s.out;
    widths_.push_back(width);
    if (get<BatchNorm>(l)) batch_norms_.push_back(l);
  }
  list_slices();
}

void Network::list_slices() {
  for (Index l = 0; l < size(); ++l) {
    const std::string prefix = std::to_string(l) + ".";
    if (const auto* dense = get<Dense>(l)) {
      slices_.push_back(
          {prefix + "weight", {dense->in_features, dense->out_features}, true});
      slices_.push_back({prefix + "bias", {dense->out_features}, true});
    } else if (const auto* norm = get<BatchNorm>(l)) {
      slices_.push_back({prefix + "scale", {norm->features}, true});
      slices_.push_back({prefix + "shift", {norm->features}, true});
      slices_.push_back({prefix + "mean", {norm->features}, false});
      slices_.push_back({prefix + "variance", {norm->features}, false});
    }
  }
}

Index Network::first_trainable() const {
  Index l = 0;
  while (!get<Dense>(l) && !get<BatchNorm>(l)) ++l;
  return l;
}

Index Network::weights() const {
  Index sum = 0;
  for (Index l = 0; l < size(); ++l)
    if (const auto* dense = get<Dense>(l))
      sum += dense->in_features * dense->out_features;
  return sum;
}

template <class T>
Parameters<T>::Parameters(const Network& network, Layout layout, bool input_gradient,
                          bool first_in_place, const std::vector<bool>& tiled) {
  const Index first = network.first_trainable();
  for (Index l = 0; l < network.size(); ++l) {
    if (const auto* dense = network.get<Dense>(l)) {
      const bool as_tiles = !tiled.empty() && tiled[static_cast<std::size_t>(l)];
      Layout own = layout;
      if (l == 0 && first_in_place) {
        own = Layout::in_place;
      } else if (as_tiles) {
        own = Layout::tiled;
      } else if (layout == Layout::both_ways && l == first && !input_gradient) {
        own = Layout::packed;
      }
      states_.push_back(DenseState<T>(*dense, own));
    } else if (const auto* norm = network.get<BatchNorm>(l)) {
      states_.push_back(BatchNormState<T>(*norm));
    } else {
      states_.push_back(std::monostate{});
    }
  }
}

template <class T>
void Parameters<T>::load(const Network& network, const std::vector<const T*>& arrays) {
  auto array = arrays.begin();
  for (Index l = 0; l < network.size(); ++l) {
    if (const auto* dense = network.get<Dense>(l)) {
      const T* weight = *array++;
      get<DenseState<T>>(l).load(*dense, weight, *array++);
    } else if (const auto* norm = network.get<BatchNorm>(l)) {
      auto& state = get<BatchNormState<T>>(l);
      for (auto* to : {&state.scale, &state.shift, &state.mean, &state.variance})
        if (const T* from = *array++) std::copy_n(from, norm->features, to->data());
    }
  }
}

template <class T>
void Parameters<T>::save(const Network& network, const std::vector<T*>& arrays) const {
  auto array = arrays.begin();
  for (Index l = 0; l < network.size(); ++l) {
    if (const auto* dense = network.get<Dense>(l)) {
      T* weight = *array++;
      get<DenseState<T>>(l).save(*dense, weight, *array++);
    } else if (const auto* norm = network.get<BatchNorm>(l)) {
      const auto& state = get<BatchNormState<T>>(l);
      for (const auto* from :
           {&state.scale, &state.shift, &state.mean, &state.variance})
        if (T* to = *array++) std::copy_n(from->data(), norm->features, to);
    }
  }
}

template class Parameters<float>;
template class Parameters<double>;

}  // namespace fastmlp
