#include "http/server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <list>
#include <optional>

#include "base/failure.hpp"

namespace memoir::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
using boost::system::error_code;
using Protocol = asio::generic::stream_protocol;  // TCP and unix sockets alike
using Acceptor = asio::basic_socket_acceptor<Protocol, asio::io_context::executor_type>;
using Stream = beast::basic_stream<Protocol, asio::io_context::executor_type>;

[[noreturn]] void refuse(const ListenAddress& address, const std::string& why) {
    throw StartError("cannot listen on " + address.to_string() + ": " + why, "change metrics.listen");
}

// A process that was killed leaves its socket file behind. It is removed when it is a socket on which no
// process answers; anything else belongs to another program.
void remove_stale(const ListenAddress& address) {
    struct stat status {};
    if (lstat(address.path.c_str(), &status) != 0) return;
    if (!S_ISSOCK(status.st_mode)) refuse(address, "there is a file, and it is no socket");
    asio::io_context context;
    asio::local::stream_protocol::socket probe(context);
    error_code error;
    probe.connect(asio::local::stream_protocol::endpoint(address.path), error);
    if (error != asio::error::connection_refused) refuse(address, "somebody listens there already");
    ::unlink(address.path.c_str());
}

Acceptor listen(asio::io_context& context, ListenAddress& address) {
    if (address.is_unix()) remove_stale(address);
    Acceptor acceptor(context.get_executor());
    try {
        if (address.is_unix()) {
            const asio::local::stream_protocol::endpoint endpoint(address.path);
            acceptor.open(Protocol(endpoint.protocol()));
            acceptor.bind(endpoint);
            // Before listen(): no client can have connected under other permissions.
            if (chmod(address.path.c_str(), 0660) != 0)
                throw boost::system::system_error(errno, boost::system::system_category());
            acceptor.listen();
        } else {
            const asio::ip::tcp::endpoint endpoint(asio::ip::make_address(address.ip), address.port);
            acceptor.open(Protocol(endpoint.protocol()));
            acceptor.set_option(asio::socket_base::reuse_address(true));
            acceptor.bind(endpoint);
            acceptor.listen();
            asio::ip::tcp::endpoint bound;
            const auto local = acceptor.local_endpoint();
            bound.resize(local.size());
            std::copy_n(static_cast<const char*>(static_cast<const void*>(local.data())), local.size(),
                        static_cast<char*>(static_cast<void*>(bound.data())));
            address.port = bound.port();
        }
    } catch (const boost::system::system_error& error) {
        refuse(address, error.code().message());
    }
    return acceptor;
}

// What load balancers ask, in old and odd ways: HAProxy's plain check is OPTIONS, in HTTP/1.0 without a Host.
bool is_check(std::string_view path) {
    return path == "/healthz" || path == "/readyz";
}

Reply plain(int status, std::string text) {
    return {status, "text/plain; charset=utf-8", text + "\n", {}};
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
    State(asio::io_context& context, ListenAddress where, Routes what, Limits how,
          std::vector<std::string> called)
        : address(std::move(where)),
          routes(std::move(what)),
          limits(how),
          names(std::move(called)),
          acceptor(listen(context, address)),
          pause(context.get_executor()) {
        if (address.is_unix()) lstat(address.path.c_str(), &file);
    }

    void accept();
    void make_room();
    void stop();
    Reply answer(const wire::request<wire::empty_body>& request, bool& head) const;

    ListenAddress address;
    const Routes routes;
    const Limits limits;
    const std::vector<std::string> names;
    struct stat file {};  // of the unix socket as it was made
    Acceptor acceptor;
    asio::basic_waitable_timer<Steady, asio::wait_traits<Steady>, asio::io_context::executor_type> pause;
    std::list<std::shared_ptr<Session>> sessions;  // oldest first
    bool stopped = false;
};

// One connection: reads a request, answers it, and closes.
struct Server::Session : std::enable_shared_from_this<Server::Session> {
    Session(std::shared_ptr<State> owner,
            Protocol::socket::rebind_executor<asio::io_context::executor_type>::other socket)
        : server(std::move(owner)), stream(std::move(socket)) {
        parser.header_limit(static_cast<std::uint32_t>(server->limits.header_bytes));
        parser.body_limit(std::uint64_t{0});
    }

    void read() {
        stream.expires_after(server->limits.request);
        wire::async_read(stream, buffer, parser, [self = shared_from_this()](error_code error, std::size_t) {
            self->read_done(error);
        });
    }

    void read_done(error_code error) {
        phase = Phase::writing;
        if (server->stopped || error == beast::error::timeout || error == wire::error::end_of_stream ||
            error == asio::error::operation_aborted)
            return end();
        bool head = false;
        if (error == wire::error::header_limit)
            write(plain(431, "request header too large"), head);
        else if (error == wire::error::body_limit || error == wire::error::unexpected_body)
            write(plain(413, "no request body is taken"), head);
        else if (error && error.category() == wire::make_error_code(wire::error::bad_version).category())
            write(plain(400, "this is no HTTP request"), head);
        else if (error)
            end();
        else
            reply(head);
    }

    void reply(bool head) {
        Reply reply = server->answer(parser.get(), head);
        write(std::move(reply), head);
    }

    void write(Reply reply, bool head) {
        response.result(static_cast<unsigned>(reply.status));
        response.version(11);
        response.set(wire::field::server, "memoird");
        response.set(wire::field::content_type, reply.content_type);
        response.set(wire::field::cache_control, "no-store");
        response.set("X-Content-Type-Options", "nosniff");
        for (const auto& [name, value] : reply.headers) response.set(name, value);
        response.keep_alive(false);
        response.body() = std::move(reply.body);
        response.prepare_payload();
        serializer.emplace(response);
        stream.expires_after(server->limits.response);
        const auto done = [self = shared_from_this()](error_code error, std::size_t) {
            if (error) return self->end();
            self->see_off();
        };
        if (head)
            wire::async_write_header(stream, *serializer, done);
        else
            wire::async_write(stream, *serializer, done);
    }

    // Closing while the client is still sending would reset the connection, and the answer might be lost with
    // it. So this reads until the client closes, for at most as long as the answer was allowed to take.
    void see_off() {
        error_code ignored;
        phase = Phase::leaving;
        stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
        drain();
    }

    void drain() {
        stream.async_read_some(asio::buffer(rest),
                               [self = shared_from_this()](error_code error, std::size_t) {
                                   if (error || self->server->stopped) return self->end();
                                   self->drain();
                               });
    }

    void end() {
        stream.close();
        server->sessions.remove_if([this](const auto& session) { return session.get() == this; });
    }

    const std::shared_ptr<State> server;
    Stream stream;
    beast::flat_buffer buffer;
    wire::request_parser<wire::empty_body> parser;
    wire::response<wire::string_body> response;
    std::optional<wire::response_serializer<wire::string_body>> serializer;
    std::array<char, 1024> rest;
    enum class Phase { reading, writing, leaving } phase = Phase::reading;
};

void Server::State::accept() {
    acceptor.async_accept([self = shared_from_this()](error_code error, auto socket) {
        if (self->stopped) return;
        if (error) {  // out of descriptors: the connection is still waiting, so that an immediate retry would
                      // spin
            self->pause.expires_after(std::chrono::seconds(1));
            self->pause.async_wait([self](error_code cancelled) {
                if (!cancelled && !self->stopped) self->accept();
            });
            return;
        }
        self->make_room();
        if (self->sessions.size() < self->limits.connections) {
            const auto session = std::make_shared<Session>(self, std::move(socket));
            self->sessions.push_back(session);
            session->read();
        }
        self->accept();
    });
}

void Server::State::make_room() {
    if (sessions.size() < limits.connections) return;
    for (const auto& session : sessions) {
        if (session->phase == Session::Phase::writing) continue;
        const auto slowest = session;  // end() takes it out of the list
        slowest->end();
        return;
    }
}

void Server::State::stop() {
    if (std::exchange(stopped, true)) return;
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
    struct stat now {};
    if (address.is_unix() && lstat(address.path.c_str(), &now) == 0 && now.st_ino == file.st_ino &&
        now.st_dev == file.st_dev)
        ::unlink(address.path.c_str());
    const auto copy = sessions;
    for (const auto& session : copy)
        if (session->phase != Session::Phase::writing) session->end();
}

Reply Server::State::answer(const wire::request<wire::empty_body>& request, bool& head) const {
    const std::string target(request.target());
    const auto question = std::min(target.find('?'), target.size());
    const bool check = is_check(std::string_view(target).substr(0, question));
    const auto hosts = request.count(wire::field::host);
    constexpr unsigned http_1_0 = 10;
    // A browser always names the host: only a check may go without.
    const bool nameless = check && hosts == 0 && request.version() == http_1_0;
    if (hosts != 1 && !nameless) return plain(400, "one Host header is needed");
    const auto host = request[wire::field::host];
    if (!nameless && !host_allowed(address, {host.data(), host.size()}, names))
        return plain(
            403,
            "this host name is not served here\nHINT: ask for localhost or an IP address, or add the "
            "name to metrics.host_names");
    const auto route = routes.find(std::string_view(target).substr(0, question));
    if (route == routes.end()) return plain(404, "there is nothing here");
    head = request.method() == wire::verb::head;
    if (!head && !check && request.method() != wire::verb::get) {
        Reply reply = plain(405, "only GET and HEAD");
        reply.headers.emplace_back("Allow", "GET, HEAD");
        return reply;
    }
    try {
        return route->second(target.substr(std::min(question + 1, target.size())));
    } catch (const std::exception&) {
        return plain(500, "this page could not be made");
    }
}

Server::Server(asio::io_context& context, const ListenAddress& address, Routes routes, Limits limits,
               std::vector<std::string> names)
    : state_(std::make_shared<State>(context, address, std::move(routes), limits, std::move(names))) {
    state_->accept();
}

Server::~Server() {
    stop();
}

const ListenAddress& Server::address() const {
    return state_->address;
}

void Server::stop() {
    state_->stop();
}

std::size_t Server::connections() const {
    return state_->sessions.size();
}

}  // namespace memoir::http
