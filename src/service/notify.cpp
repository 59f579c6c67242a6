#include "service/notify.hpp"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <algorithm>
#include <cstdint>

namespace memoir::service {
namespace {

// A line break would start another variable.
std::string status_line(std::string_view text) {
    std::string line = "STATUS=" + std::string(text);
    std::ranges::replace_if(
        line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    return line + "\n";
}

std::string extend_line(Milliseconds wait) {
    return "EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(wait).count()) + "\n";
}

}  // namespace

Notifier::Notifier() : Notifier([](const std::string& lines) { sd_notify(0, lines.c_str()); }) {}

Notifier::Notifier(Send send) : send_(std::move(send)) {}

void Notifier::send(const std::string& lines, std::string_view status) {
    std::lock_guard lock(mutex_);
    status_ = status;
    send_(lines + status_line(status));
}

void Notifier::ready(std::string_view status) {
    send("READY=1\n", status);
}

void Notifier::status(std::string_view text) {
    std::lock_guard lock(mutex_);
    if (text == status_) return;
    status_ = text;
    send_(status_line(text));
}

void Notifier::stopping(std::string_view status, Milliseconds wait) {
    send("STOPPING=1\n" + extend_line(wait), status);
}

void Notifier::reloading() {
    // The time lets Type=notify-reload distinguish this reload from an earlier one; older systemd ignores it.
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const long long usec = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
    std::lock_guard lock(mutex_);
    send_("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec) + "\n");
}

void Notifier::reloaded(std::string_view status) {
    ready(status);
}

void Notifier::extend_timeout(Milliseconds wait) {
    std::lock_guard lock(mutex_);
    send_(extend_line(wait));
}

void Notifier::watchdog() {
    std::lock_guard lock(mutex_);
    send_("WATCHDOG=1\n");
}

std::optional<Notifier::Microseconds> Notifier::watchdog_interval() {
    std::uint64_t usec = 0;
    if (sd_watchdog_enabled(0, &usec) <= 0) return std::nullopt;
    return Microseconds(static_cast<std::int64_t>(usec));
}

}  // namespace memoir::service
