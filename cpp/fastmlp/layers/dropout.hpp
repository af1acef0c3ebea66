// Dropout: units of a training pass are zeroed at random, the rest scaled up.
#pragma once

#include <tuple>

#include "../family.hpp"
#include "../kernels/panels.hpp"
#include "../random.hpp"

namespace fastmlp {

struct Dropout {
  static constexpr const char* class_name = "Dropout";
  static constexpr const char* summary =
      "In training, zeroes each unit with probability `rate` and divides the "
      "others by 1 - rate; does nothing in inference. A mask is a pure function: "
      "unit u is dropped where word u % 4 of Philox4x32-10 with key (seed mod "
      "2^32, seed div 2^32) and counter (u div 4, row in the batch, step, layer) "
      "is below floor(rate * 2^32).\n\nSrivastava, Hinton, Krizhevsky, Sutskever "
      "and Salakhutdinov, 'Dropout: a simple way to prevent neural networks from "
      "overfitting', JMLR 15, 2014. Salmon, Moraes, Dror and Shaw, 'Parallel "
      "random numbers: as easy as 1, 2, 3', SC 2011.";
  double rate = 0.5;
  static constexpr auto fields() {
    return std::tuple{Field{"rate", &Dropout::rate, Bounds{0.0, 1.0, false, true}}};
  }
};

// What makes a mask, with the row in the batch and the unit.
struct DropoutKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t layer = 0;
};

// y = mask x; the multipliers (0 or 1 / (1 - rate)) are kept for the way back. Units go
// by fours: unit u is word u % 4 of the counter (u / 4, row, step, layer).
template <class T>
void dropout_forward(const Dropout& layer, const DropoutKey& key, Panels<T> x,
                     Panels<T> y, Panels<T> multiplier, Range rows) {
  constexpr int counters = 16;
  constexpr Index panels_at_once = 4 * counters / kLanes<T>;
  const auto threshold = static_cast<std::uint32_t>(layer.rate * 4294967296.0);
  const T keep = static_cast<T>(1 / (1 - layer.rate));
  for (Index row = rows.begin; row < rows.end; ++row) {
    for (Index panel = 0; panel < x.count(); panel += panels_at_once) {
      const auto first = static_cast<std::uint32_t>(panel * kLanes<T> / 4);
      const Philox<counters> words(key.seed, first, static_cast<std::uint32_t>(row),
                                   key.step, key.layer);
      const Index last = std::min(x.count(), panel + panels_at_once);
      for (Index p = panel; p < last; ++p) {
        const T* from = x.at(p, row);
        T* to = y.at(p, row);
        T* kept = multiplier.at(p, row);
        for (Index i = 0; i < kLanes<T>; ++i) {
          const auto unit = static_cast<int>((p - panel) * kLanes<T> + i);
          kept[i] = words(unit / 4, unit % 4) < threshold ? T(0) : keep;
          to[i] = from[i] * kept[i];
        }
      }
    }
  }
}

// Without a mask: y = x.
template <class T>
void dropout_inference(Panels<T> x, Panels<T> y, Range panels, Range rows) {
  for (Index panel = panels.begin; panel < panels.end; ++panel)
    std::copy_n(x.at(panel, rows.begin), rows.size() * kLanes<T>,
                y.at(panel, rows.begin));
}

// dy becomes dx in place.
template <class T>
void dropout_backward(Panels<T> multiplier, Panels<T> dy, Range rows) {
  for (Index panel = 0; panel < dy.count(); ++panel) {
    const T* kept = multiplier.at(panel, rows.begin);
    T* gradient = dy.at(panel, rows.begin);
    for (Index i = 0; i < rows.size() * kLanes<T>; i += Vec<T>::size)
      (Vec<T>::load(gradient + i) * Vec<T>::load(kept + i)).store(gradient + i);
  }
}

}  // namespace fastmlp
