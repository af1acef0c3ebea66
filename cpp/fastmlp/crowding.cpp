// Which way comes next.
#include "crowding.hpp"

namespace fastmlp {

bool Crowding::Piece::is_crowded() const {
  constexpr double share = 0.75;  // 0.95 and more when nobody else is there
  return least_cpu_seconds < share * wall_seconds;
}

double Crowding::Piece::trial_seconds() const {
  return std::max(kTrial, wanted * least_work * wall_seconds / work);
}

void Crowding::record(const Piece& piece) {
  if (piece.work < piece.least_work) return;  // what was left of an epoch tells nothing
  if (!calm_) {
    compare(piece);
  } else if (way_ == alone) {
    end_trial(piece);
  } else {
    look(piece);
  }
}

// Nothing has spoken against a team yet.
void Crowding::look(const Piece& piece) {
  records_[together].add(piece);
  since_trial_ += piece.wall_seconds;
  if (piece.is_long()) {
    const bool twice = crowded_ && piece.is_crowded();  // once may be chance
    crowded_ = piece.is_crowded();
    if (twice) {
      calm_ = false;
      records_ = {};
      records_[together].add(piece);
      return;
    }
  }
  constexpr double share = 0.01;
  if (since_trial_ >= std::max(until_trial_, piece.trial_seconds() / share))
    way_ = alone;
}

// If one thread was faster, the team's next pieces have to be better than that.
void Crowding::end_trial(const Piece& piece) {
  constexpr double longest = 1.6;  // seconds
  records_[alone] = {};
  records_[alone].add(piece);
  calm_ = records_[alone].rate() <= records_[together].rate();
  if (!calm_) {
    records_[together] = {};
    crowded_ = false;
  }
  way_ = together;
  since_trial_ = 0;
  until_trial_ = std::min(2 * until_trial_, longest);
}

void Crowding::compare(const Piece& piece) {
  constexpr int first_look = 3;  // pieces, before the two ways are compared
  constexpr int longest = 64;    // pieces
  if (way_ == together && piece.is_long() && !piece.is_crowded() &&
      piece.work > records_[alone].rate() * piece.wall_seconds) {
    *this = {};
    return;
  }
  records_[way_].add(piece);
  const bool alone_is_better = records_[alone].rate() > records_[together].rate();
  const Way better = alone_is_better ? alone : together;
  const Way other = alone_is_better ? together : alone;
  if (records_[way_].pieces < first_look) return;
  if (records_[other].pieces < first_look) {
    way_ = other;
  } else if (!alone_is_better && !crowded_) {
    *this = {};
  } else if (until_other_-- > 0) {
    way_ = better;
  } else {
    way_ = other;
    until_other_ = next_wait_;
    next_wait_ = std::min(2 * next_wait_, longest);
  }
}

}  // namespace fastmlp
