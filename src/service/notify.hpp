#pragma once
// What systemd is told (sd_notify(3)): ready, what it does now, reloading, stopping, alive. Without
// $NOTIFY_SOCKET everything here does nothing. Thread safety: all of Notifier.

#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace memoir::service {

class Notifier {
  public:
    using Microseconds = std::chrono::microseconds;
    // Sends one datagram of VARIABLE=value lines; a failure to send is nobody's problem.
    using Send = std::function<void(const std::string&)>;

    Notifier();  // to $NOTIFY_SOCKET
    explicit Notifier(Send send);

    void ready(std::string_view status);
    // The STATUS= line. Sent only when it changed. Line breaks in it become spaces.
    void status(std::string_view text);
    // Draining has begun; systemd is to wait for `wait` from now on at least, whatever TimeoutStopSec says.
    void stopping(std::string_view status, Milliseconds wait);
    // SIGHUP: between the two systemd shows the unit as reloading; reloaded() ends it also after a rejection.
    void reloading();
    void reloaded(std::string_view status);
    // While starting or stopping: the current phase lasts for `wait` from now on at least.
    void extend_timeout(Milliseconds wait);
    void watchdog();

    // How often systemd wants to hear watchdog(): feed it at half of that. nullopt: not watched, or the
    // variables are meant for another process ($WATCHDOG_USEC, $WATCHDOG_PID).
    static std::optional<Microseconds> watchdog_interval();

  private:
    void send(const std::string& lines, std::string_view status);

    Send send_;
    std::mutex mutex_;  // guards status_, and keeps messages in order
    std::string status_;
};

}  // namespace memoir::service
