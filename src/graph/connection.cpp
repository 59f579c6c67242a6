#include "graph/connection.hpp"

#include <hiredis/hiredis.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "http/url.hpp"
#include "pg/resolver.hpp"

namespace memoir::graph {
namespace {

// A reply may nest no deeper than hiredis reads (7 levels), and be no longer than this between two reads.
constexpr std::size_t read_size = 65'536;

Failure cut() {
    return {FailureType::ambiguous, "the connection to the graph was cut"};
}

struct Address {
    std::string path;  // of a socket; else host and port
    std::string host, port;
};

Address address_of(const Options& options) {
    if (options.url.starts_with("unix:")) return {options.url.substr(5), {}, {}};
    const auto parsed = http::parse_url("http" + options.url.substr(options.url.find("://")));
    if (!parsed) throw StartError("graph.url is no URL of a FalkorDB", "write redis://HOST:PORT");
    // The parser's default port is HTTP's; a Redis has its own.
    const bool says_port = options.url.find(":" + std::to_string(parsed->port),
                                            options.url.find("://") + 3) != std::string::npos;
    return {{}, parsed->host, says_port ? std::to_string(parsed->port) : "6379"};
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

// --- hiredis' reader makes Values -----------------------------------------------------------------------

std::vector<float> floats_of(std::string_view text) {
    std::vector<float> numbers;
    if (text.size() < 2 || text.front() != '[' || text.back() != ']') return {};
    const char* at = text.data() + 1;
    const char* const end = text.data() + text.size() - 1;
    while (at < end) {
        float number = 0;
        const auto read = std::from_chars(at, end, number);
        if (read.ec != std::errc()) return {};
        numbers.push_back(number);
        at = read.ptr;
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) ++at;
        if (at == end) break;
        if (*at++ != ',') return {};
        while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) ++at;
        if (at == end) return {};
    }
    return numbers;
}

// The new value in its place: the parent's list, or nowhere.
void* place(const redisReadTask* task, Value value) {
    if (task->parent == nullptr) return new Value(std::move(value));
    auto& list = std::get<List>(*static_cast<Value*>(task->parent->obj));
    list[static_cast<std::size_t>(task->idx)] = std::move(value);
    return &list[static_cast<std::size_t>(task->idx)];
}

void* make_string(const redisReadTask* task, char* text, size_t size) {
    const std::string_view view(text, size);
    if (task->type == REDIS_REPLY_ERROR) {
        ServerError error{std::string(view.substr(0, view.find(' '))), size, false, false};
        error.no_module = view.find("unknown command") != view.npos;
        error.memory = view.find("mem consumption") != view.npos;
        return place(task, error);
    }
    const int floats = *static_cast<const int*>(task->privdata);
    if (floats >= 0 && task->idx == floats && size > 0 && text[0] == '[') return place(task, floats_of(view));
    return place(task, std::string(view));
}

// The type of the size differs between hiredis 0.14 and 1.
template <typename Size>
void* make_array(const redisReadTask* task, Size size) {
    return place(task, List(static_cast<std::size_t>(std::max<Size>(size, 0))));
}

void* make_integer(const redisReadTask* task, long long number) {
    return place(task, static_cast<std::int64_t>(number));
}

void* make_nil(const redisReadTask* task) {
    return place(task, Value());
}

void free_value(void* value) {
    delete static_cast<Value*>(value);
}

// hiredis 1 has more of them, for what only RESP3 sends, which is never asked for.
template <typename Functions>
Functions functions_of() {
    Functions all{};
    all.createString = make_string;
    all.createArray = make_array;
    all.createInteger = make_integer;
    all.createNil = make_nil;
    all.freeObject = free_value;
    if constexpr (requires { all.createDouble; }) {
        all.createDouble = [](const redisReadTask* task, double, char* text, size_t size) {
            return place(task, std::string(text, size));
        };
        all.createBool = [](const redisReadTask* task, int value) {
            return place(task, static_cast<std::int64_t>(value));
        };
    }
    return all;
}

auto functions = functions_of<redisReplyObjectFunctions>();

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

void check_url(const Options& options) {
    if (options.url.starts_with("rediss:"))
        throw StartError("graph.url asks for TLS, which the Redis client library here does not have",
                         "use redis:// on a trusted network, or through a TLS tunnel on this host");
}

Failure to_failure(const ServerError& error) {
    constexpr std::array away{"LOADING",    "BUSY",        "OOM",      "READONLY",
                              "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MISCONF"};
    constexpr std::array refused{"NOAUTH", "WRONGPASS", "NOPERM"};
    const auto is = [&](const auto& codes) {
        return std::any_of(codes.begin(), codes.end(), [&](const char* code) { return error.code == code; });
    };
    if (is(away)) return {FailureType::outage, "the graph's server answers " + error.code};
    if (error.memory) return {FailureType::outage, "the graph's server is out of memory"};
    if (is(refused)) {
        Failure failure(FailureType::blocked, "the graph's server answers " + error.code);
        failure.hint = "check graph.user and graph.password_file, and what that user may do";
        return failure;
    }
    if (error.no_module) {
        Failure failure(FailureType::blocked, "the server at graph.url is no FalkorDB");
        failure.hint = "graph.url has to name a Redis server with the FalkorDB module loaded";
        return failure;
    }
    return {FailureType::job,
            "the graph refused a query (" + std::to_string(error.length) + " bytes of error)"};
}

Connection::Connection(int socket, Milliseconds timeout)
    : socket_(socket),
      timeout_(timeout),
      reader_(redisReaderCreateWithFunctions(&functions), redisReaderFree) {
    reader_->privdata = &floats_;
    reader_->maxbuf = 0;
}

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
            int socket = -1;
            if (!address.path.empty()) {
                sockaddr_un name{};
                name.sun_family = AF_UNIX;
                if (each.size() >= sizeof name.sun_path)
                    throw StartError("graph.url names a socket whose path is too long", "use a shorter path");
                each.copy(name.sun_path, sizeof name.sun_path - 1);
                socket = start_connect(reinterpret_cast<const sockaddr*>(&name), sizeof name);
            } else {
                addrinfo hints{}, *found = nullptr;
                hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
                hints.ai_socktype = SOCK_STREAM;
                if (getaddrinfo(each.c_str(), address.port.c_str(), &hints, &found) != 0)
                    throw Failure(FailureType::outage, "the graph's address cannot be used");
                const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(found, &freeaddrinfo);
                socket = start_connect(found->ai_addr, found->ai_addrlen);
            }
            std::unique_ptr<Connection> connection(new Connection(socket, options.timeout));
            const pg::Waiter::Watch watch(connection->waiter_, stop);
            connection->wait(POLLOUT, deadline);
            int error = 0;
            socklen_t size = sizeof error;
            getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error != 0) throw Failure(FailureType::outage, "the graph refuses connections");
            if (!options.password.reveal().empty()) {
                std::vector<std::string> words{"AUTH"};
                if (!options.user.empty()) words.push_back(options.user);
                words.push_back(options.password.reveal());
                connection->send(formatted(words), deadline);
                const auto answer = connection->receive(-1, deadline);
                if (const auto* refusal = error_in(answer)) {
                    // "ERR AUTH <password> called without any password configured" and the like.
                    auto failure = to_failure(*refusal);
                    if (failure.type() == FailureType::job) {
                        failure = Failure(FailureType::blocked, "the graph's server refuses AUTH");
                        failure.hint = "check graph.user and graph.password_file";
                    }
                    throw failure;
                }
            }
            return connection;
        } catch (const Failure& failure) {
            if (failure.type() == FailureType::cancelled || failure.type() == FailureType::blocked) throw;
            last = Failure(FailureType::outage, failure.reason());
        }
    }
    throw *last;
}

void Connection::wait(short events, TimePoint deadline) {
    switch (waiter_.wait(socket_, events, deadline)) {
        case pg::Waiter::Woken::ready:
            return;
        case pg::Waiter::Woken::stop:
            throw Failure(FailureType::cancelled, "cancelled");
        case pg::Waiter::Woken::deadline:
            throw Failure(FailureType::ambiguous,
                          "the graph gave no answer within " + std::to_string(timeout_.count()) + " ms");
    }
}

void Connection::send(const std::string& bytes, TimePoint deadline) {
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
    floats_ = floats;
    std::array<char, read_size> buffer;
    for (;;) {
        void* reply = nullptr;
        if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK)
            throw Failure(FailureType::ambiguous, "what answers at graph.url speaks no Redis");
        if (reply != nullptr) {
            answered_ = true;
            const std::unique_ptr<Value> value(static_cast<Value*>(reply));
            return std::move(*value);
        }
        const auto count = recv(socket_, buffer.data(), buffer.size(), 0);
        if (count > 0)
            redisReaderFeed(reader_.get(), buffer.data(), static_cast<std::size_t>(count));
        else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
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
