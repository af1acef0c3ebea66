// Which way comes next.
#include "crowding.hpp"

namespace fastmlp {

void Crowding::record(double wall_seconds, double least_cpu_seconds, double work) {
  constexpr double too_short = 1e-3;  // to tell anything
  constexpr double crowded = 0.75;    // share of the time; 0.95 and more when alone
  constexpr int first_look = 3;       // pieces, before the two ways are compared
  constexpr int longest = 64;         // pieces
  if (way_ == together) {
    if (wall_seconds < too_short) return;
    if (least_cpu_seconds >= crowded * wall_seconds) {
      *this = {};
      return;
    }
    if (!suspected_) {  // once may be chance
      suspected_ = true;
      return;
    }
  }
  Record& mine = records_[way_];
  mine = {mine.pieces + 1, mine.work / 2 + work, mine.seconds / 2 + wall_seconds};
  const bool alone_is_better = records_[alone].rate() > records_[together].rate();
  const Way better = alone_is_better ? alone : together;
  const Way other = alone_is_better ? together : alone;
  if (mine.pieces < first_look) return;
  if (records_[other].pieces < first_look) {
    way_ = other;
  } else if (until_other_-- > 0) {
    way_ = better;
  } else {
    way_ = other;
    until_other_ = next_wait_;
    next_wait_ = std::min(2 * next_wait_, longest);
  }
}

}  // namespace fastmlp
