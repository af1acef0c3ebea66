// Which way comes next.
#include "crowding.hpp"

#include <utility>

namespace fastmlp {

namespace {

bool lacks(double cpu_seconds, double wall_seconds) {
  constexpr double share = 0.75;  // 0.95 and more when nobody else is there
  return cpu_seconds < share * wall_seconds;
}

}  // namespace

bool Crowding::Piece::is_crowded() const {
  return lacks(least_cpu_seconds, wall_seconds);
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
  records_[together].add(piece.work, piece.wall_seconds);
  since_trial_ += piece.wall_seconds;
  if (piece.is_long()) {
    const bool twice = crowded_ && piece.is_crowded();  // once may be chance
    crowded_ = piece.is_crowded();
    if (twice) {
      calm_ = false;
      records_ = {};
      compare(piece);
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
  records_[alone].add(piece.work, piece.wall_seconds);
  calm_ = records_[alone].rate() <= records_[together].rate();
  if (!calm_) records_[together] = {};
  way_ = together;
  since_trial_ = 0;
  until_trial_ = std::min(2 * until_trial_, longest);
}

void Crowding::Stretch::add(const Piece& piece) {
  work += piece.work;
  seconds += piece.wall_seconds;
  cpu_seconds += piece.least_cpu_seconds;
}

bool Crowding::Stretch::is_crowded() const { return lacks(cpu_seconds, seconds); }

void Crowding::compare(const Piece& piece) {
  // Some ten turns of processes that share a core. In the first piece done another way,
  // a thread that has just woken may still be on the other's core (four times as long).
  constexpr double enough = 0.04;  // seconds
  const bool settles = std::exchange(turned_, false) && piece.wall_seconds < enough;
  if (settles) return;
  stretch_.add(piece);
  if (stretch_.seconds >= enough) end_stretch(std::exchange(stretch_, {}));
}

void Crowding::end_stretch(const Stretch& stretch) {
  constexpr double longest = 64;  // times
  if (way_ == together && !stretch.is_crowded() &&
      stretch.work > records_[alone].rate() * stretch.seconds) {
    *this = {};  // nothing speaks against a team any more
    return;
  }
  Record& own = records_[way_];
  const Record& other = records_[way_ == together ? alone : together];
  // Slower at a stroke may be chance: the whole process was stopped.
  constexpr double slower = 2;  // times
  const double seconds =
      own.is_empty() ? stretch.seconds
                     : std::min(stretch.seconds, slower * stretch.work / own.rate());
  own.add(stretch.work, seconds);
  if (other.is_empty()) return turn();
  const bool is_better = own.rate() >= other.rate();
  if (is_better && until_other_ > 0) {
    until_other_ -= seconds;
    if (until_other_ <= 0) turn();
    return;
  }
  // A try has won, or the other way goes on from now.
  until_other_ = next_wait_ * seconds;
  next_wait_ = std::min(2 * next_wait_, longest);
  if (!is_better) turn();
}

void Crowding::turn() {
  way_ = way_ == together ? alone : together;
  turned_ = true;
}

}  // namespace fastmlp
