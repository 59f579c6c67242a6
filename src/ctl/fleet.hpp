#pragma once
// What the fleet's tables say, where they are there. Thread safety: as Context.

#include <optional>
#include <vector>

#include "ctl/context.hpp"
#include "queue/hosts.hpp"
#include "queue/pauses.hpp"

namespace memoir::ctl {

std::vector<queue::Pause> read_pauses(Context& context);
// None: the table memoird_hosts is not there.
std::optional<std::vector<queue::Host>> read_hosts(Context& context);

}  // namespace memoir::ctl
