#pragma once
// The other end of sd_notify(3), for a memoird under test.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "support/guarded.hpp"
#include "support/wait.hpp"

namespace memoir::test {

// The other end of sd_notify, as systemd opens it.
class NotifySocket {
  public:
    NotifySocket() : directory_(temporary_directory("mns")), path_(directory_ + "/notify") {
        socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path_.size() < sizeof address.sun_path);
        path_.copy(address.sun_path, path_.size());
        REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    ~NotifySocket() {
        close(socket_);
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;

    std::map<std::string, std::string> environment() const { return {{"NOTIFY_SOCKET", path_}}; }
    // Datagrams so far, each several lines.
    const std::vector<std::string>& all() {
        char buffer[4096];
        for (ssize_t size = 0; (size = recv(socket_, buffer, sizeof buffer, 0)) > 0;)
            datagrams_.emplace_back(buffer, static_cast<std::size_t>(size));
        return datagrams_;
    }
    std::size_t count(const std::string& part) {
        std::size_t found = 0;
        for (const auto& datagram : all()) found += datagram.find(part) != std::string::npos;
        return found;
    }
    bool told(const std::string& part) {
        return eventually([&] { return count(part) > 0; });
    }

  private:
    std::string directory_, path_;
    int socket_;
    std::vector<std::string> datagrams_;
};

}  // namespace memoir::test
