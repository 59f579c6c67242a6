#pragma once
// The backends that work is begun with now, and those of earlier configurations that some job still works by.
// Thread safety: all of Generations.

#include <memory>
#include <mutex>
#include <vector>

#include "app/backends.hpp"

namespace memoir::app {

class Generations {
  public:
    std::shared_ptr<Backends> current() const;
    // The one before is watched no more, and kept until prune() finds it unused.
    void replace(std::shared_ptr<Backends> next);
    // Ends those that no job works by any more: here, because that frees a model and waits for threads, which
    // is nothing for a loop or the keeper. True when some are left.
    bool prune();
    // Of all of them, for good.
    void unwatch();

  private:
    mutable std::mutex mutex_;
    std::shared_ptr<Backends> current_;
    std::vector<std::shared_ptr<Backends>> earlier_;
};

}  // namespace memoir::app
