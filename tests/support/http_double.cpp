#include "support/http_double.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

namespace memoir::test {
namespace {

using Fault = HttpReply::Fault;

class Descriptor {
  public:
    explicit Descriptor(int number = -1) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Descriptor() { reset(); }
    int get() const { return number_; }
    void reset() {
        if (number_ >= 0) ::close(std::exchange(number_, -1));
    }

  private:
    int number_;
};

[[noreturn]] void fail(const char* what) {
    throw std::runtime_error(std::string("http double: ") + what + ": " + std::strerror(errno));
}

// Bound to a loopback port; 0 takes a free one. Not listening yet.
Descriptor bound(int port) {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) fail("socket");
    const int on = 1;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
    return socket;
}

int port_of(const Descriptor& socket) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) fail("getsockname");
    return ntohs(address.sin_port);
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return text;
}

// One accepted connection: reads and writes that end when the double stops.
class Peer {
  public:
    Peer(int socket, int stopped) : socket_(socket), stopped_(stopped) {}

    // Reads one request; nullopt when the client went or the double stops.
    std::optional<HttpRequest> read() {
        std::size_t end;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
            if (!more()) return std::nullopt;
            // A TLS client, for one, is told at once, as real servers do.
            if (buffer_[0] < 'A' || buffer_[0] > 'Z') {
                write("HTTP/1.1 400 Scripted\r\nConnection: close\r\n\r\n");
                return std::nullopt;
            }
        }
        HttpRequest request = head(buffer_.substr(0, end + 2));
        buffer_.erase(0, end + 4);
        if (request.headers.count("expect") && !write("HTTP/1.1 100 Continue\r\n\r\n")) return std::nullopt;
        const auto length = request.headers.find("content-length");
        const std::size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
        while (buffer_.size() < size)
            if (!more()) return std::nullopt;
        request.body = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return request;
    }

    bool write(std::string_view text) {
        while (!text.empty()) {
            if (!ready(POLLOUT)) return false;
            const auto sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
            if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    // Until the client closes or the double stops; what the client sends meanwhile is thrown away.
    void silence() {
        while (more()) buffer_.clear();
    }

    // False when the double stops before `time` is over.
    bool pause(std::chrono::milliseconds time) const {
        pollfd stopped{stopped_, POLLIN, 0};
        return time.count() <= 0 || ::poll(&stopped, 1, static_cast<int>(time.count())) == 0;
    }

    // The close that follows sends RST instead of FIN.
    void reset_on_close() const {
        const linger now{1, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

  private:
    static HttpRequest head(std::string_view text) {
        HttpRequest request;
        auto line = text.substr(0, text.find("\r\n"));
        text.remove_prefix(line.size() + 2);
        const auto first = line.find(' '), last = line.rfind(' ');
        request.method = line.substr(0, first);
        if (first != last) request.target = line.substr(first + 1, last - first - 1);
        while (!text.empty()) {
            line = text.substr(0, text.find("\r\n"));
            text.remove_prefix(line.size() + 2);
            const auto colon = line.find(':');
            if (colon == std::string_view::npos) continue;
            auto value = line.substr(colon + 1);
            while (value.starts_with(' ')) value.remove_prefix(1);
            request.headers[lower(std::string(line.substr(0, colon)))] = value;
        }
        return request;
    }

    bool ready(short events) const {
        for (;;) {
            pollfd both[] = {{socket_, events, 0}, {stopped_, POLLIN, 0}};
            if (::poll(both, 2, -1) < 0 && errno != EINTR) return false;
            if (both[1].revents) return false;
            if (both[0].revents) return true;
        }
    }

    bool more() {
        if (!ready(POLLIN)) return false;
        char part[16384];
        const auto got = ::recv(socket_, part, sizeof part, 0);
        if (got <= 0) return false;
        buffer_.append(part, static_cast<std::size_t>(got));
        return true;
    }

    int socket_, stopped_;
    std::string buffer_;
};

std::string head_of(const HttpReply& reply) {
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Scripted\r\n";
    bool typed = false;
    for (const auto& [name, value] : reply.headers) {
        head += name + ": " + value + "\r\n";
        typed = typed || lower(name) == "content-type";
    }
    if (!typed) head += "Content-Type: application/json\r\n";
    if (reply.chunked) return head + "Transfer-Encoding: chunked\r\n\r\n";
    // A reply that is to be cut has something to cut, even with an empty body.
    const bool partial = reply.fault == Fault::cut || reply.fault == Fault::stall;
    const auto length = partial ? std::max<std::size_t>(reply.body.size(), 2) : reply.body.size();
    return head + "Content-Length: " + std::to_string(length) + "\r\n\r\n";
}

std::string framed(const HttpReply& reply, std::string_view part, bool last) {
    if (!reply.chunked) return std::string(part);
    std::string text;
    if (!part.empty()) {
        char size[32];
        std::snprintf(size, sizeof size, "%zx\r\n", part.size());
        text = size + std::string(part) + "\r\n";
    }
    return last ? text + "0\r\n\r\n" : text;
}

// Says the reply; false when the connection is over.
bool answer(Peer& peer, const HttpReply& reply) {
    if (!peer.pause(reply.delay)) return false;
    if (!reply.raw.empty()) {
        peer.write(reply.raw);
        return false;
    }
    const auto head = head_of(reply);
    const auto half = std::string_view(reply.body).substr(0, reply.body.size() / 2);
    switch (reply.fault) {
        case Fault::none:
            return peer.write(head + framed(reply, reply.body, true));
        case Fault::hang:
            peer.silence();
            return false;
        case Fault::cut:
            peer.write(head + framed(reply, half, false));
            return false;
        case Fault::reset:
            peer.reset_on_close();
            return false;
        case Fault::garbage:
            peer.write(std::string_view("\x16\x03\x01\x02 this is no HTTP\n\n", 22));
            return false;
        case Fault::stall:
            if (peer.write(head + framed(reply, half, false))) peer.silence();
            return false;
        case Fault::stall_headers:
            if (peer.write(head.substr(0, head.size() / 2))) peer.silence();
            return false;
        case Fault::drip:
            if (!peer.write(head)) return false;
            for (const char& byte : reply.body)
                if (!peer.pause(reply.drip) || !peer.write(framed(reply, {&byte, 1}, false))) return false;
            return peer.write(framed(reply, {}, true));
        case Fault::close:
            return false;
    }
    return false;
}

}  // namespace

struct HttpDouble::State {
    mutable std::mutex mutex;  // guards the next four
    Handler handler;
    std::vector<HttpRequest> requests;
    std::string greeting;
    std::size_t accepted = 0;

    Descriptor reservation = bound(0);  // never listens: keeps the port while `listener` is closed
    int port = port_of(reservation);
    Descriptor listener, stopped;

    struct Connection {
        std::atomic<bool> over{false};
        std::thread thread;
    };
    std::list<Connection> connections;  // the acceptor's, and stop()'s once that has ended
    std::thread acceptor;

    void accept_all() {
        for (;;) {
            pollfd both[] = {{listener.get(), POLLIN, 0}, {stopped.get(), POLLIN, 0}};
            if (::poll(both, 2, -1) < 0 && errno != EINTR) return;
            if (both[1].revents) return;
            if (!both[0].revents) continue;
            const int socket = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC);
            if (socket < 0) continue;
            const int on = 1;
            ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            connections.remove_if([](Connection& connection) {
                if (connection.over) connection.thread.join();
                return connection.over.load();
            });
            auto& connection = connections.emplace_back();
            connection.thread = std::thread([this, socket, &connection] {
                serve(Descriptor(socket));
                connection.over = true;
            });
        }
    }

    void serve(Descriptor socket) {
        Peer peer(socket.get(), stopped.get());
        std::string first;
        {
            std::lock_guard lock(mutex);
            ++accepted;
            first = greeting;
        }
        if (!peer.write(first)) return;
        while (auto request = peer.read()) {
            Handler now;
            {
                std::lock_guard lock(mutex);
                requests.push_back(*request);
                now = handler;
            }
            if (!answer(peer, now(*request))) return;
        }
    }
};

HttpDouble::HttpDouble(Handler handler) : state_(std::make_unique<State>()) {
    state_->handler = std::move(handler);
    start();
}

HttpDouble::~HttpDouble() {
    stop();
}

std::string HttpDouble::url() const {
    return "http://127.0.0.1:" + std::to_string(port());
}

int HttpDouble::port() const {
    return state_->port;
}

void HttpDouble::handle(Handler handler) {
    std::lock_guard lock(state_->mutex);
    state_->handler = std::move(handler);
}

void HttpDouble::greet(std::string bytes) {
    std::lock_guard lock(state_->mutex);
    state_->greeting = std::move(bytes);
}

std::vector<HttpRequest> HttpDouble::requests() const {
    std::lock_guard lock(state_->mutex);
    return state_->requests;
}

void HttpDouble::forget() {
    std::lock_guard lock(state_->mutex);
    state_->requests.clear();
}

std::size_t HttpDouble::connections() const {
    std::lock_guard lock(state_->mutex);
    return state_->accepted;
}

void HttpDouble::start() {
    if (state_->acceptor.joinable()) return;
    state_->stopped = Descriptor(::eventfd(0, EFD_CLOEXEC));
    if (state_->stopped.get() < 0) fail("eventfd");
    state_->listener = bound(state_->port);
    if (::listen(state_->listener.get(), 1024) != 0) fail("listen");
    state_->acceptor = std::thread([state = state_.get()] { state->accept_all(); });
}

void HttpDouble::stop() {
    if (!state_->acceptor.joinable()) return;
    const std::uint64_t one = 1;
    if (::write(state_->stopped.get(), &one, sizeof one) != sizeof one) fail("eventfd");
    state_->acceptor.join();
    // Closed before the connections: a client that reconnects when its own goes finds nobody.
    state_->listener.reset();
    for (auto& connection : state_->connections) connection.thread.join();
    state_->connections.clear();
}

}  // namespace memoir::test
