#include "pg/waiter.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <utility>

#include "pg/error.hpp"

namespace memoir::pg {
namespace {

// Rounded up, so that a wait does not end just before its deadline and spin.
int poll_timeout(TimePoint deadline) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline - Steady::now()).count();
    return static_cast<int>(std::clamp<decltype(left)>(left, 0, std::numeric_limits<int>::max()));
}

}  // namespace

Waiter::Waiter() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (event_ < 0) throw Error(ErrorClass::resources, "", "eventfd: no descriptor left");
}

Waiter::~Waiter() {
    close(event_);
}

Waiter::Woken Waiter::wait(int socket, short events, TimePoint deadline) {
    std::array<pollfd, 2> watched{pollfd{event_, POLLIN, 0}, pollfd{socket, events, 0}};
    while (true) {
        const int count = poll(watched.data(), watched.size(), poll_timeout(deadline));
        if (count < 0 && errno != EINTR) throw Error(ErrorClass::resources, "", "poll failed");
        if (count > 0) return watched[0].revents != 0 ? Woken::stop : Woken::ready;
        if (Steady::now() >= deadline) return Woken::deadline;
    }
}

void Waiter::Watch::Wake::operator()() const {
    // Cannot fail: the counter never gets near its limit.
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(event, &one, sizeof one);
}

Waiter::Watch::Watch(Waiter& waiter, std::stop_token stop) : waiter_(waiter), stop_(std::move(stop)) {
    if (stop_.stop_possible()) callback_.emplace(stop_, Wake{waiter_.event_});
}

Waiter::Watch::~Watch() {
    callback_.reset();  // returns only when no callback runs any more
    if (!stop_.stop_requested()) return;
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = read(waiter_.event_, &count, sizeof count);
}

bool readable(int socket) {
    pollfd watched{socket, POLLIN, 0};
    return poll(&watched, 1, 0) > 0;
}

}  // namespace memoir::pg
