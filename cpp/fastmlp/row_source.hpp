// Rows that a network takes in, and whether it takes them as sparse as they are.
#pragma once

#include "network.hpp"

namespace fastmlp {

// Rows order[0..n) of x, or its first n where order is null.
struct RowSource {
  InputView x;
  const Index* order = nullptr;
  Index n = 0;
  Index known = n;  // rows that are there, and may be asked for ahead of the next call

  RowSource part(Range rows) const {
    return {order ? x : x.from(rows.begin), order ? order + rows.begin : nullptr,
            rows.size(), known - rows.begin};
  }
};

// Whether the first layer takes these rows as they are, sparse: where they leave out so
// many columns, of enough, that products of dense rows are slower. Results are the same
// as long as weights are finite.
template <class T>
bool suits_sparse(const Network& network, const RowSource& rows);

}  // namespace fastmlp
