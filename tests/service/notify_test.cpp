#include "service/notify.hpp"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

using memoir::Milliseconds;
using memoir::service::Notifier;

namespace {

// The other end of sd_notify: a datagram socket as systemd opens it.
class NotifySocket {
  public:
    NotifySocket() {
        char name[] = "/tmp/telemetry.notify.XXXXXX";
        REQUIRE(mkdtemp(name));
        directory_ = name;
        path_ = directory_ + "/notify";
        socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path_.c_str());
        REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        setenv("NOTIFY_SOCKET", path_.c_str(), 1);
    }
    ~NotifySocket() {
        unsetenv("NOTIFY_SOCKET");
        close(socket_);
        unlink(path_.c_str());
        rmdir(directory_.c_str());
    }
    // The next datagram; "" when none is there.
    std::string next() {
        pollfd one{socket_, POLLIN, 0};
        if (poll(&one, 1, 0) <= 0) return "";
        char buffer[4096];
        const auto got = recv(socket_, buffer, sizeof buffer, 0);
        return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
    }

  private:
    std::string directory_, path_;
    int socket_;
};

}  // namespace

TEST_CASE("tells systemd over a real socket what it does") {
    NotifySocket systemd;
    Notifier notifier;
    notifier.extend_timeout(Milliseconds(15'000));
    CHECK(systemd.next() == "EXTEND_TIMEOUT_USEC=15000000\n");
    notifier.status("waiting for the database");
    CHECK(systemd.next() == "STATUS=waiting for the database\n");
    notifier.ready("12 loops, idle");
    CHECK(systemd.next() == "READY=1\nSTATUS=12 loops, idle\n");
    notifier.watchdog();
    CHECK(systemd.next() == "WATCHDOG=1\n");
    notifier.stopping("draining 3 jobs", Milliseconds(35'000));
    CHECK(systemd.next() == "STOPPING=1\nEXTEND_TIMEOUT_USEC=35000000\nSTATUS=draining 3 jobs\n");
}

TEST_CASE("brackets a reload with RELOADING and READY, and gives its time") {
    std::vector<std::string> sent;
    Notifier notifier([&](const std::string& lines) { sent.push_back(lines); });
    notifier.reloading();
    notifier.reloaded("reloaded");
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].starts_with("RELOADING=1\nMONOTONIC_USEC="));
    CHECK(std::stoll(sent[0].substr(sent[0].rfind('=') + 1)) > 0);
    CHECK(sent[1] == "READY=1\nSTATUS=reloaded\n");
}

TEST_CASE("sends a status only when it changed") {
    std::vector<std::string> sent;
    Notifier notifier([&](const std::string& lines) { sent.push_back(lines); });
    notifier.status("idle");
    notifier.status("idle");
    notifier.ready("idle");
    notifier.status("idle");
    notifier.status("busy");
    CHECK(sent == std::vector<std::string>{"STATUS=idle\n", "READY=1\nSTATUS=idle\n", "STATUS=busy\n"});
}

TEST_CASE("a status cannot smuggle another variable in") {
    std::vector<std::string> sent;
    Notifier notifier([&](const std::string& lines) { sent.push_back(lines); });
    notifier.status("a\nMAINPID=1\r\nb");
    CHECK(sent == std::vector<std::string>{"STATUS=a MAINPID=1  b\n"});
}

TEST_CASE("does nothing without systemd") {
    unsetenv("NOTIFY_SOCKET");
    Notifier notifier;
    notifier.ready("ready");
    notifier.watchdog();
    unsetenv("WATCHDOG_USEC");
    CHECK_FALSE(Notifier::watchdog_interval());
}

TEST_CASE("feeds the watchdog only where systemd watches this very process") {
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
    CHECK(Notifier::watchdog_interval() == std::chrono::seconds(30));
    setenv("WATCHDOG_PID", std::to_string(getpid() + 1).c_str(), 1);
    CHECK_FALSE(Notifier::watchdog_interval());
    unsetenv("WATCHDOG_PID");
    CHECK(Notifier::watchdog_interval() == std::chrono::seconds(30));
    unsetenv("WATCHDOG_USEC");
}
