#include "graph/connection.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "graph/server_errors.hpp"
#include "http/url.hpp"
#include "pg/resolver.hpp"

namespace memoir::graph {
namespace {

constexpr std::size_t read_size = 65'536;
constexpr std::size_t record_size = 16'384;  // of TLS, decrypted: no read gives more

struct Address {
    std::string path;  // of a socket; else host and port
    std::string host, port;
    bool tls = false;
};

Address address_of(const Options& options) {
    if (options.url.starts_with("unix:")) return {options.url.substr(5), {}, {}, false};
    const auto parsed = http::parse_url("http" + options.url.substr(options.url.find("://")));
    if (!parsed) throw StartError("graph.url is no URL of a FalkorDB", "write redis://HOST:PORT");
    // The parser's default port is HTTP's; a Redis has its own.
    const bool says_port = options.url.find(":" + std::to_string(parsed->port),
                                            options.url.find("://") + 3) != std::string::npos;
    return {{},
            parsed->host,
            says_port ? std::to_string(parsed->port) : "6379",
            options.url.starts_with("rediss:")};
}

int start_connect(const sockaddr* address, socklen_t size) {
    const int socket = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) throw Failure(FailureType::outage, "no socket is left");
    if (::connect(socket, address, size) != 0 && errno != EINPROGRESS) {
        close(socket);
        throw Failure(FailureType::outage, "the graph refuses connections");
    }
    return socket;
}

int connect_to_path(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.size() >= sizeof name.sun_path)
        throw StartError("graph.url names a socket whose path is too long", "use a shorter path");
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    return start_connect(reinterpret_cast<const sockaddr*>(&name), sizeof name);
}

int connect_to(const std::string& numeric, const std::string& port) {
    addrinfo hints{}, *found = nullptr;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(numeric.c_str(), port.c_str(), &hints, &found) != 0)
        throw Failure(FailureType::outage, "the graph's address cannot be used");
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(found, &freeaddrinfo);
    return start_connect(found->ai_addr, found->ai_addrlen);
}

std::string formatted(std::span<const std::string> words) {
    std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
    for (const auto& word : words) bytes += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    return bytes;
}

// An error may also stand inside the answer of a query that failed while it ran.
const ServerError* error_in(const Value& value) {
    if (const auto* error = std::get_if<ServerError>(&value)) return error;
    if (const auto* list = std::get_if<List>(&value))
        for (const auto& item : *list)
            if (const auto* error = std::get_if<ServerError>(&item)) return error;
    return nullptr;
}

}  // namespace

Connection::Connection(int socket, Milliseconds timeout) : socket_(socket), timeout_(timeout) {}

Connection::~Connection() {
    close(socket_);
}

std::unique_ptr<Connection> Connection::connect(const Options& options, std::stop_token stop) {
    const auto deadline = Steady::now() + options.timeout;
    const auto address = address_of(options);
    std::vector<std::string> addresses{address.path};
    if (address.path.empty()) {
        const auto answer = pg::Resolver::shared().resolve(address.host, deadline, stop);
        if (stop.stop_requested()) throw Failure(FailureType::cancelled, "cancelled");
        if (!answer || answer->addresses.empty())
            throw Failure(FailureType::outage, "the graph's host name does not resolve");
        addresses = answer->addresses;
    }
    std::optional<Failure> last;
    for (const auto& each : addresses) {
        try {
            const int socket = address.path.empty() ? connect_to(each, address.port) : connect_to_path(each);
            std::unique_ptr<Connection> connection(new Connection(socket, options.timeout));
            const pg::Waiter::Watch watch(connection->waiter_, stop);
            connection->wait(POLLOUT, deadline);
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error != 0) throw Failure(FailureType::outage, "the graph refuses connections");
            if (address.tls) connection->begin_tls(address.host, options.ca_file, deadline);
            connection->log_in(options, deadline);
            return connection;
        } catch (const Failure& failure) {
            if (failure.type() == FailureType::cancelled || failure.type() == FailureType::blocked) throw;
            last = Failure(FailureType::outage, failure.reason());
        }
    }
    throw *last;
}

Failure Connection::cut() const {
    if (tls_) return tls_->cut();
    return {FailureType::ambiguous, "the connection to the graph was cut"};
}

void Connection::begin_tls(const std::string& host, const std::string& ca_file, TimePoint deadline) {
    tls_ = std::make_unique<Tls>(host, ca_file);
    std::array<char, read_size> buffer;
    for (;;) {
        std::optional<Failure> failure;
        bool done = false;
        try {
            done = tls_->handshake();
        } catch (const Failure& thrown) {
            failure = thrown;
        }
        // Also the alert that tells the server why.
        send_plain(tls_->to_send(), deadline);
        if (failure) throw *failure;
        if (done) return;
        tls_->received(receive_plain(buffer, deadline));
    }
}

void Connection::log_in(const Options& options, TimePoint deadline) {
    if (options.password.reveal().empty()) return;
    std::vector<std::string> words{"AUTH"};
    if (!options.user.empty()) words.push_back(options.user);
    words.push_back(options.password.reveal());
    send(formatted(words), deadline);
    const auto answer = receive(-1, deadline);
    const auto* refusal = error_in(answer);
    if (refusal == nullptr) return;
    throw to_login_failure(*refusal);
}

void Connection::wait(short events, TimePoint deadline) {
    switch (waiter_.wait(socket_, events, deadline)) {
        case pg::Waiter::Woken::ready:
            return;
        case pg::Waiter::Woken::stop:
            throw Failure(FailureType::cancelled, "cancelled");
        case pg::Waiter::Woken::deadline:
            throw Failure(FailureType::ambiguous,
                          std::string(tls_ && !tls_->open() ? "the graph completed no TLS handshake within "
                                                            : "the graph gave no answer within ") +
                              std::to_string(timeout_.count()) + " ms");
    }
}

void Connection::send(const std::string& bytes, TimePoint deadline) {
    if (!tls_) return send_plain(bytes, deadline);
    tls_->write(bytes);
    send_plain(tls_->to_send(), deadline);
}

void Connection::send_plain(std::string_view bytes, TimePoint deadline) {
    for (std::size_t sent = 0; sent < bytes.size();) {
        const auto count = ::send(socket_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (count > 0)
            sent += static_cast<std::size_t>(count);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            wait(POLLOUT, deadline);
        else if (errno != EINTR)
            throw cut();
    }
}

Value Connection::receive(int floats, TimePoint deadline) {
    reader_.expect(floats);
    std::array<char, read_size> buffer;
    for (;;) {
        if (auto reply = reader_.next()) {
            answered_ = true;
            return std::move(*reply);
        }
        feed(receive_plain(buffer, deadline), deadline);
    }
}

// What arrived, decrypted where it has to be, to the reader of replies.
void Connection::feed(std::string_view bytes, TimePoint deadline) {
    if (!tls_) {
        reader_.feed(bytes);
        return;
    }
    tls_->received(bytes);
    std::array<char, record_size> text;
    while (const auto count = tls_->read(text)) reader_.feed({text.data(), count});
    // The answer to what is TLS's own, a change of keys.
    send_plain(tls_->to_send(), deadline);
}

std::string_view Connection::receive_plain(std::span<char> buffer, TimePoint deadline) {
    for (;;) {
        const auto count = recv(socket_, buffer.data(), buffer.size(), 0);
        if (count > 0) return {buffer.data(), static_cast<std::size_t>(count)};
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            wait(POLLIN, deadline);
        else if (count == 0 || errno != EINTR)
            throw cut();
    }
}

Value Connection::command(std::span<const std::string> words, std::stop_token stop) {
    const auto deadline = Steady::now() + timeout_;
    const pg::Waiter::Watch watch(waiter_, std::move(stop));
    broken_ = true;  // until the answer is whole
    send(formatted(words), deadline);
    auto value = receive(-1, deadline);
    broken_ = false;
    if (const auto* error = error_in(value)) throw to_failure(*error);
    return value;
}

std::vector<Rows> Connection::query(const std::string& graph, std::span<const Command> commands,
                                    std::stop_token stop) {
    const auto deadline = Steady::now() + timeout_;
    const pg::Waiter::Watch watch(waiter_, std::move(stop));
    broken_ = true;
    std::string bytes;
    for (const auto& command : commands) {
        const std::array<std::string, 3> words{"GRAPH.QUERY", graph, command.query};
        bytes += formatted(words);
    }
    send(bytes, deadline);
    std::vector<Rows> results;
    std::optional<Failure> first;
    for (const auto& command : commands) {
        auto reply = receive(command.floats, deadline);
        if (const auto* error = error_in(reply); error && !first) first = to_failure(*error);
        Rows rows;
        // [header, rows, statistics]; a query that returns nothing has statistics alone.
        if (auto* parts = std::get_if<List>(&reply); parts && parts->size() == 3)
            if (auto* list = std::get_if<List>(&(*parts)[1]))
                for (auto& row : *list)
                    if (auto* cells = std::get_if<List>(&row)) rows.push_back(std::move(*cells));
        results.push_back(std::move(rows));
    }
    broken_ = false;
    if (first) throw *first;
    return results;
}

}  // namespace memoir::graph
