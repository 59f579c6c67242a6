#include "support/tcp_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/guarded.hpp"

namespace memoir::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t most_buffered = 1 << 18;  // of one direction; then the kernel holds the sender back
constexpr auto quiet = std::chrono::milliseconds(50);

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// A socket that closes itself.
class Socket {
  public:
    explicit Socket(int number = -1) : number_(number) {}
    Socket(Socket&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~Socket() {
        if (number_ >= 0) close(number_);
    }
    int get() const { return number_; }
    bool is_open() const { return number_ >= 0; }
    void reset() { *this = Socket(); }
    // The other side sees a reset, not an orderly end.
    void abort() {
        const linger now{1, 0};
        if (is_open()) setsockopt(number_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        reset();
    }

  private:
    int number_;
};

sockaddr_in loopback(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    return address;
}

// Port 0: a free one outside the range of outgoing connections, so that refuse() can come back to it.
Socket listen_on(int port) {
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto address = loopback(port);
    if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        listen(socket.get(), 128) != 0)
        fail("the proxy cannot listen");
    return socket;
}

Socket connect_to(const std::string& host, int port) {
    if (host.starts_with('/')) {
        Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, host.c_str(), sizeof address.sun_path - 1);
        if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            return Socket();
        return socket;
    }
    Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = loopback(port);
    inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        return Socket();
    return socket;
}

// Bytes on their way in one direction.
struct Flow {
    std::string held;
    bool ended = false;      // the sender has closed
    bool passed_on = false;  // and the receiver knows

    // False when the sender's connection is broken.
    bool take(const Socket& from, std::string& got) {
        std::array<char, 65536> buffer;
        const auto count = recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count > 0) got.assign(buffer.data(), static_cast<std::size_t>(count));
        if (count == 0) ended = true;
        return count >= 0 || errno == EAGAIN || errno == EINTR;
    }
    bool put(const Socket& to) {
        const auto count = send(to.get(), held.data(), held.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count > 0) held.erase(0, static_cast<std::size_t>(count));
        return count >= 0 || errno == EAGAIN || errno == EINTR;
    }
    void finish(const Socket& to) {
        if (!ended || passed_on || !held.empty()) return;
        shutdown(to.get(), SHUT_WR);
        passed_on = true;
    }
};

struct Link {
    Socket client, server;
    Flow up, down;
    std::string tail;               // of what the client sent: a needle may come in two pieces
    bool dropping = false;          // the answer under way is lost
    Clock::time_point last_byte{};  // of that answer
};

bool ends_with_ready(std::string_view bytes) {
    constexpr std::string_view ready("Z\0\0\0\5", 5);
    return bytes.size() >= 6 && bytes.substr(bytes.size() - 6, 5) == ready;
}

// "The next N requests that contain …"
struct Trap {
    int count = 0;
    std::string needle;

    bool catches(std::string_view tail, const std::string& bytes) {
        if (count == 0) return false;
        if (!needle.empty() && (std::string(tail) + bytes).find(needle) == std::string::npos) return false;
        if (count > 0) --count;
        return true;
    }
};

}  // namespace

struct TcpProxy::State {
    std::string host;
    int target_port = 0, port = 0;
    Socket wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    mutable std::mutex mutex;  // of everything below; free while the thread polls
    Socket listener;
    std::list<Link> links;
    bool swallowing = false;
    Trap replies, requests;
    std::size_t accepted = 0, dropped = 0;
    std::jthread thread;  // last: joined before the rest goes

    void nudge() const {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = write(wake.get(), &one, sizeof one);
    }
    void run(const std::stop_token& stop);
    std::vector<pollfd> watched(int& timeout) const;
    void accept_one();
    bool serve(Link& link);
    bool from_client(Link& link);
    bool from_server(Link& link);
    bool answer_is_over(Link& link);
};

void TcpProxy::State::run(const std::stop_token& stop) {
    const std::stop_callback wake_up(stop, [this] { nudge(); });
    while (!stop.stop_requested()) {
        int timeout = -1;
        std::vector<pollfd> polled;
        {
            std::lock_guard lock(mutex);
            polled = watched(timeout);
        }
        poll(polled.data(), polled.size(), timeout);
        std::uint64_t nudges = 0;
        [[maybe_unused]] const auto got = read(wake.get(), &nudges, sizeof nudges);
        std::lock_guard lock(mutex);
        if (listener.is_open()) accept_one();
        if (!swallowing) links.remove_if([this](Link& link) { return !serve(link); });
    }
}

std::vector<pollfd> TcpProxy::State::watched(int& timeout) const {
    std::vector<pollfd> polled{{wake.get(), POLLIN, 0}};
    if (listener.is_open()) polled.push_back({listener.get(), POLLIN, 0});
    if (swallowing) return polled;
    for (const auto& link : links) {
        const auto watch = [&](const Socket& socket, const Flow& in, const Flow& out) {
            short events = 0;
            if (!in.ended && in.held.size() < most_buffered) events |= POLLIN;
            if (!out.held.empty()) events |= POLLOUT;
            if (socket.is_open() && events != 0) polled.push_back({socket.get(), events, 0});
        };
        watch(link.client, link.up, link.down);
        watch(link.server, link.down, link.up);
        if (link.dropping && link.last_byte != Clock::time_point{}) timeout = static_cast<int>(quiet.count());
    }
    return polled;
}

void TcpProxy::State::accept_one() {
    Socket client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.is_open()) return;
    ++accepted;
    auto server = connect_to(host, target_port);
    if (!server.is_open()) return client.abort();
    links.push_back({std::move(client), std::move(server), {}, {}, {}, false, {}});
    nudge();  // there may be a further one
}

// Moves what can be moved. False: the link is over.
bool TcpProxy::State::serve(Link& link) {
    bool whole = true;
    if (link.client.is_open()) whole = from_client(link);
    whole = whole && from_server(link) && link.up.put(link.server);
    if (link.client.is_open()) whole = whole && link.down.put(link.client);
    if (!whole) {
        link.client.abort();
        link.server.abort();
        return false;
    }
    link.up.finish(link.server);
    if (link.client.is_open()) link.down.finish(link.client);
    if (link.dropping && answer_is_over(link)) {
        ++dropped;
        link.dropping = false;
        link.client.abort();
        // In order, so that the server ends what it has read before it learns that nobody listens.
        link.up.ended = true;
        link.up.finish(link.server);
    }
    const bool client_done = !link.client.is_open() || link.up.ended;
    return !(client_done && link.down.ended && link.down.held.empty());
}

bool TcpProxy::State::from_client(Link& link) {
    if (link.up.ended || link.up.held.size() >= most_buffered) return true;
    std::string got;
    if (!link.up.take(link.client, got)) return false;
    if (got.empty()) return true;
    if (requests.catches(link.tail, got)) return false;
    if (!link.dropping) link.dropping = replies.catches(link.tail, got);
    link.tail = got.substr(got.size() > 256 ? got.size() - 256 : 0);
    link.up.held += got;
    return true;
}

bool TcpProxy::State::from_server(Link& link) {
    if (link.down.ended || link.down.held.size() >= most_buffered) return true;
    std::string got;
    if (!link.down.take(link.server, got)) return false;
    if (got.empty()) return true;
    if (!link.client.is_open()) return true;  // nobody left to tell
    if (!link.dropping) {
        link.down.held += got;
        return true;
    }
    link.last_byte = ends_with_ready(got) ? Clock::time_point::min() : Clock::now();
    return true;
}

bool TcpProxy::State::answer_is_over(Link& link) {
    if (link.down.ended || link.last_byte == Clock::time_point::min()) return true;
    return link.last_byte != Clock::time_point{} && Clock::now() - link.last_byte >= quiet;
}

TcpProxy::TcpProxy(const std::string& host, int port) : state_(std::make_unique<State>()) {
    state_->host = host;
    state_->target_port = port;
    for (int tries = 0; !state_->listener.is_open(); ++tries) {
        state_->port = free_port();
        try {
            state_->listener = listen_on(state_->port);
        } catch (const std::system_error&) {
            if (tries == 10) throw;  // somebody else may take the port between the look and the listen
        }
    }
    state_->thread = std::jthread([state = state_.get()](std::stop_token stop) { state->run(stop); });
}

TcpProxy::~TcpProxy() = default;

int TcpProxy::port() const {
    return state_->port;
}

void TcpProxy::swallow(bool on) {
    std::lock_guard lock(state_->mutex);
    state_->swallowing = on;
    state_->nudge();
}

void TcpProxy::drop_replies(int count, const std::string& needle) {
    std::lock_guard lock(state_->mutex);
    state_->replies = {count, needle};
    for (auto& link : state_->links) link.tail.clear();
}

void TcpProxy::drop_requests(int count, const std::string& needle) {
    std::lock_guard lock(state_->mutex);
    state_->requests = {count, needle};
    for (auto& link : state_->links) link.tail.clear();
}

std::size_t TcpProxy::dropped() const {
    std::lock_guard lock(state_->mutex);
    return state_->dropped;
}

void TcpProxy::cut_all() {
    std::lock_guard lock(state_->mutex);
    for (auto& link : state_->links) {
        link.client.abort();
        link.server.abort();
    }
    state_->links.clear();
    state_->nudge();
}

void TcpProxy::refuse(bool on) {
    std::lock_guard lock(state_->mutex);
    if (on) {
        // A poll under way keeps a closed socket alive; shut down, it refuses, and yields its port, at once.
        if (state_->listener.is_open()) shutdown(state_->listener.get(), SHUT_RDWR);
        state_->listener.reset();
    } else if (!state_->listener.is_open()) {
        state_->listener = listen_on(state_->port);
    }
    state_->nudge();
}

std::size_t TcpProxy::accepted() const {
    std::lock_guard lock(state_->mutex);
    return state_->accepted;
}

std::size_t TcpProxy::open() const {
    std::lock_guard lock(state_->mutex);
    return state_->links.size();
}

}  // namespace memoir::test
