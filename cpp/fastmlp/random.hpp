// Random numbers: counter-based ones, a pure function of key and counter, so that
// dropout masks need no state and do not depend on threads; and those of NumPy's
// Mersenne twister, for the first weights and the order of an epoch's rows.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "types.hpp"

namespace fastmlp {

// Philox4x32-10 for a batch of counters that differ in their first word: that word runs
// from `first` on. Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011. Counters side by side, so that the compiler vectorizes the rounds.
template <int Count>
class Philox {
 public:
  using Words = std::array<std::uint32_t, Count>;

  Philox(std::uint64_t key, std::uint32_t first, std::uint32_t word_1,
         std::uint32_t word_2, std::uint32_t word_3) {
    for (int i = 0; i < Count; ++i) {
      words_[0][i] = first + static_cast<std::uint32_t>(i);
      words_[1][i] = word_1;
      words_[2][i] = word_2;
      words_[3][i] = word_3;
    }
    auto key_0 = static_cast<std::uint32_t>(key);
    auto key_1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      mix(key_0, key_1);
      key_0 += 0x9E3779B9u;
      key_1 += 0xBB67AE85u;
    }
  }

  // Output word `word` (0 to 3) of counter `first + i`.
  std::uint32_t operator()(int i, int word) const { return words_[word][i]; }

 private:
  void mix(std::uint32_t key_0, std::uint32_t key_1) {
    for (int i = 0; i < Count; ++i) {
      const std::uint64_t product_0 = std::uint64_t{0xD2511F53u} * words_[0][i];
      const std::uint64_t product_1 = std::uint64_t{0xCD9E8D57u} * words_[2][i];
      words_[0][i] = static_cast<std::uint32_t>(product_1 >> 32) ^ words_[1][i] ^ key_0;
      words_[2][i] = static_cast<std::uint32_t>(product_0 >> 32) ^ words_[3][i] ^ key_1;
      words_[1][i] = static_cast<std::uint32_t>(product_1);
      words_[3][i] = static_cast<std::uint32_t>(product_0);
    }
  }

  std::array<Words, 4> words_;
};

// The state of MT19937, laid out as NumPy has it: Matsumoto and Nishimura, "Mersenne
// twister: a 623-dimensionally equidistributed uniform pseudo-random number generator",
// ACM TOMACS 1998.
struct MersenneTwister {
  static constexpr int size = 624;
  std::uint32_t words[size];
  std::int32_t position;  // of the next word to draw; all are renewed at `size`

  bool is_valid() const { return position >= 0 && position <= size; }
};

// Draws from a valid state, 32 bits at a time or several of them; words are renewed and
// tempered all at once, by whole registers. The state is up to date once this is gone.
class TwisterDraws {
 public:
  explicit TwisterDraws(MersenneTwister& state)
      : state_(state), position_(state.position) {
    temper();
  }
  TwisterDraws(const TwisterDraws&) = delete;
  TwisterDraws& operator=(const TwisterDraws&) = delete;
  ~TwisterDraws() { state_.position = position_; }

  std::uint32_t operator()() {
    ready();
    return *take(1);
  }

  // The next n words: no more than are ready.
  const std::uint32_t* take(int n) {
    position_ += n;
    return tempered_ + position_ - n;
  }

  // How many words can be taken at once: at least one, since all are renewed if need
  // be.
  int ready() {
    if (position_ == size) {
      renew();
      temper();
      position_ = 0;
    }
    return size - position_;
  }

 private:
  static constexpr int size = MersenneTwister::size;

  void renew() {
    constexpr int ahead = 397;
    std::uint32_t* const w = state_.words;
    const auto mixed = [w](int i, int next, int other) {
      const std::uint32_t y = (w[i] & 0x80000000u) | (w[next] & 0x7FFFFFFFu);
      return w[other] ^ (y >> 1) ^ ((0u - (w[next] & 1u)) & 0x9908B0DFu);
    };
    for (int i = 0; i < size - ahead; ++i) w[i] = mixed(i, i + 1, i + ahead);
    for (int i = size - ahead; i < size - 1; ++i)
      w[i] = mixed(i, i + 1, i + ahead - size);
    w[size - 1] = mixed(size - 1, 0, ahead - 1);
  }

  void temper() {
    for (int i = 0; i < size; ++i) {
      std::uint32_t y = state_.words[i];
      y ^= y >> 11;
      y ^= (y << 7) & 0x9D2C5680u;
      y ^= (y << 15) & 0xEFC60000u;
      tempered_[i] = y ^ (y >> 18);
    }
  }

  MersenneTwister& state_;
  std::int32_t position_;
  std::uint32_t tempered_[size];
};

// Numbers in [low, low + range) as NumPy's RandomState draws them: 53 bits from two
// words each, and in double before they are rounded to T.
template <class T>
void uniform(T* to, std::int64_t n, double low, double range, TwisterDraws& draws) {
  const auto drawn = [low, range](std::uint32_t first, std::uint32_t second) {
    // Of 27 and 26 bits, which an int holds: that converts by whole registers.
    const auto high_bits = static_cast<std::int32_t>(first >> 5);
    const auto low_bits = static_cast<std::int32_t>(second >> 6);
    return static_cast<T>(low + range * ((high_bits * 0x1p26 + low_bits) * 0x1p-53));
  };
  for (std::int64_t i = 0; i < n;) {
    const auto pairs = std::min<std::int64_t>(n - i, draws.ready() / 2);
    const std::uint32_t* words = draws.take(static_cast<int>(2 * pairs));
    for (std::int64_t k = 0; k < pairs; ++k)
      to[i + k] = drawn(words[2 * k], words[2 * k + 1]);
    i += pairs;
    if (pairs == 0) {  // from the last word and the first of the next
      const std::uint32_t first = draws();
      to[i++] = drawn(first, draws());
    }
  }
}

// Shuffles as NumPy's RandomState does, from the same 32-bit draws `next()`: Fisher and
// Yates, each index drawn anew, under the smallest mask that covers it, until it is in
// range. A draw out of range is rejected without a branch, which would be mispredicted
// every fourth time: the element changes places with itself. n <= 2^32.
template <class Integer, class Next>
void shuffle(Integer* order, std::int64_t n, Next&& next) {
  // Its lines are taken over first, in order, if they stay at hand: after an epoch they
  // are far away or read by another core, and stores wait for each other (20,000 rows:
  // 117 -> 74 us).
  constexpr std::int64_t line = kAlignment / sizeof(Integer);
  constexpr std::int64_t at_hand = (std::int64_t{512} << 10) / sizeof(Integer);
  for (std::int64_t i = 0; i < n && n <= at_hand; i += line) {
    volatile Integer& element = order[i];
    element = element;
  }
  std::uint64_t mask = 1;
  while (mask < static_cast<std::uint64_t>(n)) mask = 2 * mask + 1;
  for (std::int64_t i = n - 1; i > 0;) {
    while ((mask >> 1) >= static_cast<std::uint64_t>(i)) mask >>= 1;
    const auto drawn = static_cast<std::int64_t>(next() & mask);
    const bool accepted = drawn <= i;
    const std::int64_t j = accepted ? drawn : i;
    const Integer kept = order[i];
    order[i] = order[j];
    order[j] = kept;
    i -= accepted;
  }
}

}  // namespace fastmlp
