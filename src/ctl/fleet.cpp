#include "ctl/fleet.hpp"

namespace memoir::ctl {

std::vector<queue::Pause> read_pauses(Context& context) {
    if (!context.additions().pauses) return {};
    const auto select = queue::select_pauses(context.schema());
    return queue::read_pauses(context.database().exec(select.sql, select.params));
}

std::optional<std::vector<queue::Host>> read_hosts(Context& context) {
    if (!context.additions().hosts) return std::nullopt;
    const auto select = queue::select_hosts(context.schema());
    return queue::read_hosts(context.database().exec(select.sql, select.params));
}

}  // namespace memoir::ctl
