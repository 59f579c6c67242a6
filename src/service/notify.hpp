#pragma once
// Notifications to systemd (sd_notify(3)): ready, status, reloading, stopping, alive. Without $NOTIFY_SOCKET
// every function does nothing. Thread safety: all of Notifier.

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
    // Sends one datagram of VARIABLE=value lines; a failure to send is ignored.
    using Send = std::function<void(const std::string&)>;

    Notifier();  // to $NOTIFY_SOCKET
    explicit Notifier(Send send);

    void ready(std::string_view status);
    // The STATUS= line. Sent only when it changed. Line breaks in it become spaces.
    void status(std::string_view text);
    // Draining has begun; systemd is to wait for at least `wait` from now on, whatever TimeoutStopSec says.
    void stopping(std::string_view status, Milliseconds wait);
    // SIGHUP: between the two calls systemd shows the unit as reloading; reloaded() is called after a
    // rejection, too.
    void reloading();
    void reloaded(std::string_view status);
    // While starting or stopping: the current phase takes at least `wait` from now on.
    void extend_timeout(Milliseconds wait);
    void watchdog();

    // The interval within which systemd expects watchdog(): call it twice as often. nullopt: there is no
    // watchdog, or the variables ($WATCHDOG_USEC, $WATCHDOG_PID) are meant for another process.
    static std::optional<Microseconds> watchdog_interval();

  private:
    void send(const std::string& lines, std::string_view status);

    Send send_;
    std::mutex mutex_;  // guards status_ and keeps messages in order
    std::string status_;
};

}  // namespace memoir::service
