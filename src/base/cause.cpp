#include "base/cause.hpp"

#include <algorithm>
#include <cctype>

namespace memoir {

std::string cause_of(std::string_view reason) {
    // What follows names the holder, in words that a host's name may be made of.
    constexpr std::string_view died = "holder died";
    if (reason.starts_with(died)) return std::string(died);
    const auto repeated = reason.rfind(" times in a row");
    if (repeated != reason.npos) reason = reason.substr(0, std::min(repeated, reason.rfind(", ", repeated)));
    std::string cause, before;
    for (std::size_t at = 0; at < reason.size();) {
        const auto end = std::min(reason.find(' ', at), reason.size());
        auto word = std::string(reason.substr(at, end - at));
        const bool names = before == "HTTP" || before == "postgres:";
        before = word;
        if (!names && std::ranges::any_of(word, [](unsigned char c) { return std::isdigit(c); })) {
            const auto tail = word.find_last_not_of(",.:;)");
            word = (word.front() == '(' ? "(N" : "N") + word.substr(tail + 1);
        }
        cause += word;
        if (end < reason.size()) cause += ' ';
        at = end + 1;
    }
    return cause;
}

}  // namespace memoir
