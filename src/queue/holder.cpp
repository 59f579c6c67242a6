#include "queue/holder.hpp"

#include <charconv>

namespace memoir::queue {

std::optional<Holder> parse_holder(std::string_view claimed_by) {
    constexpr std::string_view prefix = "memoird/";
    if (!claimed_by.starts_with(prefix)) return std::nullopt;
    claimed_by.remove_prefix(prefix.size());
    // Neither host nor nonce holds a `:` or `/`; a lane's name may hold anything but those.
    const auto slash = claimed_by.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    const auto process = claimed_by.substr(0, slash);
    const auto claim = claimed_by.substr(slash + 1);
    const auto first = process.find(':');
    const auto second = first == std::string_view::npos ? first : process.find(':', first + 1);
    if (second == std::string_view::npos) return std::nullopt;

    Holder holder{std::string(process.substr(0, first)), 0, std::string(process.substr(second + 1)), {}};
    const auto digits = process.substr(first + 1, second - first - 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), holder.pid);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
    const auto seq = claim.rfind('.');
    const auto loop = seq == std::string_view::npos || seq == 0 ? seq : claim.rfind('.', seq - 1);
    holder.lane = std::string(claim.substr(0, loop == std::string_view::npos ? claim.size() : loop));
    if (holder.host.empty() || holder.nonce.empty()) return std::nullopt;
    return holder;
}

}  // namespace memoir::queue
