#include "endpoint/trouble.hpp"

namespace memoir::endpoint {

namespace {
// Rounded up: nothing is due in 0 s.
std::string seconds(Milliseconds time) {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(time).count()) + " s";
}
}  // namespace

std::string trouble(const Snapshot& endpoint) {
    if (endpoint.state != State::closed) {
        auto line = endpoint.name + " " + std::string(to_string(endpoint.state)) + ": " +
                    std::string(to_string(endpoint.why)) + ": " + endpoint.reason;
        if (endpoint.state == State::open) line += ", next probe in " + seconds(endpoint.next_probe);
        return line;
    }
    if (endpoint.held_for.count() > 0)
        return endpoint.name + " waits " + seconds(endpoint.held_for) + " for its rate limit";
    if (endpoint.max_concurrent > 0 && endpoint.in_flight >= endpoint.max_concurrent)
        return endpoint.name + " has all of its " + std::to_string(endpoint.max_concurrent) +
               " calls in flight";
    return {};
}

}  // namespace memoir::endpoint
