#pragma once
// Staged triples that no job is coming for: a worker of the library lost the fan-in between two siblings.
// They are looked for slice by slice, and get their job by the same steps as a settle: the sources' locks,
// then the look. Thread safety: one thread. Errors: pg::Error.

#include <string>

#include "work/context.hpp"

namespace memoir::work {

class FanInRepair {
  public:
    explicit FanInRepair(Context& context) : context_(context) {}
    // True: the round is not over.
    bool slice(pg::Connection& connection, int limit);

  private:
    Context& context_;
    std::string after_;
};

}  // namespace memoir::work
