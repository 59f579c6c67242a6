#include "support/flood.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <thread>

namespace memoir::test {

struct Flood::State {
    std::string beginning, block;  // the block: as many pieces as make a few kilobytes
    std::size_t blocks = 0;
    int listener = -1;
    std::jthread thread;

    static bool writable(int socket, const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            pollfd waits{socket, POLLOUT, 0};
            if (::poll(&waits, 1, 20) > 0) return true;
        }
        return false;
    }
    static bool send(int socket, const std::string& bytes, const std::stop_token& stop) {
        for (std::size_t sent = 0; sent < bytes.size();) {
            if (!writable(socket, stop)) return false;
            const auto count =
                ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (count <= 0) return false;
            sent += static_cast<std::size_t>(count);
        }
        return true;
    }
    void serve(int socket, const std::stop_token& stop) const {
        std::array<char, 65'536> request;
        if (::recv(socket, request.data(), request.size(), 0) > 0 && send(socket, beginning, stop))
            for (std::size_t at = 0; at < blocks && send(socket, block, stop); ++at) {
            }
        ::close(socket);
    }
    void run(const std::stop_token& stop) const {
        while (!stop.stop_requested()) {
            pollfd waits{listener, POLLIN, 0};
            if (::poll(&waits, 1, 20) <= 0) continue;
            if (const int socket = ::accept(listener, nullptr, nullptr); socket >= 0) serve(socket, stop);
        }
    }
};

Flood::Flood(std::string beginning, std::string piece, std::size_t times)
    : state_(std::make_unique<State>()) {
    state_->beginning = std::move(beginning);
    const std::size_t together = std::min(times, 1 + 8'192 / piece.size());
    for (std::size_t at = 0; at < together; ++at) state_->block += piece;
    state_->blocks = (times + together - 1) / together;
    state_->listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(state_->listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(state_->listener, 8) != 0)
        throw std::runtime_error("no port for a test's server");
    state_->thread = std::jthread([this](const std::stop_token& stop) { state_->run(stop); });
}

Flood::~Flood() {
    state_->thread.request_stop();
    state_->thread.join();
    ::close(state_->listener);
}

int Flood::port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(state_->listener, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
}

}  // namespace memoir::test
