#include "http/server.hpp"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "base/failure.hpp"
#include "support/wait.hpp"

namespace asio = boost::asio;
using memoir::Milliseconds;
using memoir::StartError;
using memoir::http::host_allowed;
using memoir::http::ListenAddress;
using memoir::http::parse_listen;
using memoir::http::Reply;
using memoir::http::Routes;
using memoir::http::Server;
using memoir::test::eventually;

namespace {

// A server with its io_context on a thread of its own, as app has it.
struct Running {
    explicit Running(const std::string& address = "127.0.0.1:0", Server::Limits limits = {})
        : server(std::make_unique<Server>(context, parse_listen(address), routes(), limits)),
          thread([this] { context.run(); }) {}
    // Joins the thread, which ends only when the server has left nothing behind in the io_context.
    ~Running() {
        run([this] { server.reset(); });
        busy.reset();
    }
    Routes routes() {
        return {{"/metrics", [](const std::string&) { return Reply{.body = "up 1\n"}; }},
                {"/query", [](const std::string& query) { return Reply{.body = query}; }},
                {"/large", [](const std::string&) { return Reply{.body = std::string(20 << 20, 'x')}; }},
                {"/throws", [](const std::string&) -> Reply { throw std::runtime_error("secret"); }},
                {"/healthz", [](const std::string&) { return Reply{.body = "ok\n"}; }},
                {"/unready", [](const std::string&) { return Reply{.status = 503, .body = "draining\n"}; }},
                {"/counted", [this](const std::string&) {
                     ++calls;
                     return Reply{};
                 }}};
    }
    // On the server's thread, and waits for it.
    void run(std::function<void()> work) { asio::post(context, asio::use_future(std::move(work))).get(); }
    std::size_t connections() {
        std::size_t count = 0;
        run([&] { count = server->connections(); });
        return count;
    }

    std::atomic<int> calls = 0;
    asio::io_context context;
    asio::executor_work_guard<asio::io_context::executor_type> busy{context.get_executor()};
    std::unique_ptr<Server> server;
    std::jthread thread;
};

// A client that writes what it is told and reads until the other side closes.
class Client {
  public:
    explicit Client(const ListenAddress& address) : socket_(context_) {
        if (address.is_unix())
            socket_.connect(asio::local::stream_protocol::endpoint(address.path));
        else
            socket_.connect(asio::ip::tcp::endpoint(asio::ip::make_address(address.ip), address.port));
    }
    explicit Client(Running& running) : Client(running.server->address()) {}
    void write(const std::string& text) {
        boost::system::error_code error;
        asio::write(socket_, asio::buffer(text), error);
    }
    std::string read() {
        std::string text;
        boost::system::error_code error;
        asio::read(socket_, asio::dynamic_buffer(text), error);
        return text;
    }

  private:
    asio::io_context context_;
    asio::generic::stream_protocol::socket socket_;
};

std::string ask(Running& running, const std::string& request) {
    Client client(running);
    client.write(request);
    return client.read();
}

std::string get(Running& running, const std::string& target, const std::string& host = "localhost") {
    return ask(running, "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
}

std::string status(const std::string& answer) {
    return answer.substr(0, answer.find('\r'));
}
std::string body(const std::string& answer) {
    const auto end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "" : answer.substr(end + 4);
}
bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// A directory for sockets, removed with what is in it.
struct Directory {
    Directory() {
        char name[] = "/tmp/telemetry.server.XXXXXX";
        REQUIRE(mkdtemp(name));
        path = name;
    }
    ~Directory() { std::filesystem::remove_all(path); }
    std::string path;
};

}  // namespace

TEST_CASE("answers GET of a route, with headers that forbid keeping and guessing") {
    Running running;
    const auto answer = get(running, "/metrics");
    CHECK(status(answer) == "HTTP/1.1 200 OK");
    CHECK(body(answer) == "up 1\n");
    CHECK(contains(answer, "Content-Length: 5\r\n"));
    CHECK(contains(answer, "Cache-Control: no-store\r\n"));
    CHECK(contains(answer, "X-Content-Type-Options: nosniff\r\n"));
    CHECK(contains(answer, "Connection: close\r\n"));
}

TEST_CASE("HEAD has the headers of GET and no body") {
    Running running;
    const auto answer = ask(running, "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(status(answer) == "HTTP/1.1 200 OK");
    CHECK(contains(answer, "Content-Length: 5\r\n"));
    CHECK(body(answer) == "");
}

TEST_CASE("hands the query to the handler and keeps it out of the path") {
    Running running;
    CHECK(body(get(running, "/query?a=b&c=%20")) == "a=b&c=%20");
    CHECK(body(get(running, "/query?")) == "");
    CHECK(body(get(running, "/query")) == "");
}

TEST_CASE("what is not there is 404, what is not GET is 405, a handler's own status is its own") {
    Running running;
    CHECK(status(get(running, "/nothing")) == "HTTP/1.1 404 Not Found");
    CHECK(status(get(running, "http://localhost/metrics")) == "HTTP/1.1 404 Not Found");
    const auto answer = ask(running, "DELETE /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(status(answer) == "HTTP/1.1 405 Method Not Allowed");
    CHECK(contains(answer, "Allow: GET, HEAD\r\n"));
    CHECK(status(get(running, "/unready")) == "HTTP/1.1 503 Service Unavailable");
}

TEST_CASE("a load balancer's plain check is answered in any method, and in HTTP/1.0 without a Host") {
    Running running;
    for (const char* request : {"OPTIONS /healthz HTTP/1.0\r\n\r\n", "GET /healthz HTTP/1.0\r\n\r\n",
                                "OPTIONS /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
                                "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
                                "PURGE /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"}) {
        CAPTURE(request);
        const auto answer = ask(running, request);
        CHECK(status(answer) == "HTTP/1.1 200 OK");
        CHECK(body(answer) == "ok\n");
    }
    CHECK(body(ask(running, "HEAD /healthz HTTP/1.0\r\n\r\n")) == "");
    // Everything else is as strict as before: a page in a browser must not read it under a rebound name.
    for (const char* request : {"GET /healthz HTTP/1.1\r\n\r\n", "GET /metrics HTTP/1.0\r\n\r\n",
                                "OPTIONS /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"}) {
        CAPTURE(request);
        CHECK(status(ask(running, request)) == "HTTP/1.1 400 Bad Request");
    }
    CHECK(status(ask(running, "GET /healthz HTTP/1.0\r\nHost: evil.example\r\n\r\n")) ==
          "HTTP/1.1 403 Forbidden");
    CHECK(status(ask(running, "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")) ==
          "HTTP/1.1 413 Payload Too Large");
}

TEST_CASE("a handler that throws is a 500 that tells nothing, and the server goes on") {
    Running running;
    const auto answer = get(running, "/throws");
    CHECK(status(answer) == "HTTP/1.1 500 Internal Server Error");
    CHECK_FALSE(contains(answer, "secret"));
    CHECK(status(get(running, "/metrics")) == "HTTP/1.1 200 OK");
}

TEST_CASE("on loopback answers only to loopback's names, so that no rebound DNS name reads it") {
    Running running;
    for (const char* host : {"localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:9464", "[::1]:9464"})
        CHECK(status(get(running, "/metrics", host)) == "HTTP/1.1 200 OK");
    for (const char* host :
         {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9464", "", "10.0.0.1"})
        CHECK(status(get(running, "/counted", host)) == "HTTP/1.1 403 Forbidden");
    CHECK(status(ask(running, "GET /counted HTTP/1.1\r\n\r\n")) == "HTTP/1.1 400 Bad Request");
    CHECK(status(ask(running, "GET /counted HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")) ==
          "HTTP/1.1 400 Bad Request");
    CHECK(running.calls == 0);
}

TEST_CASE("beyond loopback answers to addresses and to names that are ours, on a unix socket to any") {
    const std::vector<std::string> ours{"Worker7", "status.example.org"};
    const auto everywhere = parse_listen("0.0.0.0:9464");
    for (const char* host : {"10.1.2.3:9464", "10.1.2.3", "[2001:db8::7]:9464", "localhost", "worker7",
                             "WORKER7:9464", "status.example.org:80"})
        CHECK(host_allowed(everywhere, host, ours));
    // A name is whoever's who can register it; no address is.
    for (const char* host : {"evil.example", "evil.example:9464", "worker7.evil.example",
                             "10.1.2.3.evil.example", "10.1.2", "0x0a010203", "", ":9464"})
        CHECK_FALSE(host_allowed(everywhere, host, ours));
    CHECK(host_allowed(parse_listen("unix:/run/x"), "anything"));
    CHECK(host_allowed(parse_listen("127.0.0.2:9464"), "127.0.0.2:9464"));
    CHECK(host_allowed(parse_listen("127.0.0.1:9464"), "status.example.org", ours));
    CHECK_FALSE(host_allowed(parse_listen("127.0.0.1:9464"), "127.0.0.2:9464"));
    CHECK_FALSE(host_allowed(parse_listen("127.0.0.1:9464"), "10.1.2.3:9464"));
    CHECK_FALSE(host_allowed(parse_listen("[::1]:9464"), "evil.example"));
}

TEST_CASE("who asks for a name that is not served is told what to do") {
    Running running;
    const auto answer = get(running, "/metrics", "evil.example");
    CHECK(status(answer) == "HTTP/1.1 403 Forbidden");
    CHECK(contains(body(answer), "HINT: "));
    CHECK(contains(body(answer), "metrics.host_names"));
    CHECK_FALSE(contains(answer, "evil.example"));
}

TEST_CASE("what is no HTTP, has a body or too long a head is refused") {
    Running running;
    CHECK(status(ask(running, "nonsense\r\n\r\n")) == "HTTP/1.1 400 Bad Request");
    CHECK(status(ask(running, std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10))) ==
          "HTTP/1.1 400 Bad Request");
    CHECK(status(ask(running, "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc")) ==
          "HTTP/1.1 413 Payload Too Large");
    CHECK(
        status(ask(running, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(100'000, 'x'))) ==
        "HTTP/1.1 431 Request Header Fields Too Large");
    CHECK(status(get(running, "/metrics")) == "HTTP/1.1 200 OK");
}

TEST_CASE("a request that never ends is cut off at its deadline") {
    Running running("127.0.0.1:0", {.request = Milliseconds(100)});
    Client slow(running);
    slow.write("GET /metrics HTTP/1.1\r\nHost: loc");
    CHECK(slow.read() == "");  // returns because the server closed
    CHECK(eventually([&] { return running.connections() == 0; }));
}

TEST_CASE("an answer that nobody reads is cut off at its deadline") {
    Running running("127.0.0.1:0", {.response = Milliseconds(100)});
    Client deaf(running);
    deaf.write("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(eventually([&] { return running.connections() == 1; }));
    CHECK(eventually([&] { return running.connections() == 0; }));
    CHECK(deaf.read().size() < std::size_t{20} << 20);
}

TEST_CASE("a large answer that is read comes whole") {
    Running running;
    CHECK(body(get(running, "/large")).size() == std::size_t{20} << 20);
}

TEST_CASE("slow clients on all connections keep nobody else out, and take no more than their share") {
    Running running("127.0.0.1:0", {.connections = 4, .request = Milliseconds(600'000)});
    std::vector<std::unique_ptr<Client>> slow;
    for (int i = 0; i < 20; ++i) {
        slow.push_back(std::make_unique<Client>(running));
        slow.back()->write("GET / HTTP/1.1\r\n");
        CHECK(status(get(running, "/metrics")) == "HTTP/1.1 200 OK");
        CHECK(running.connections() <= 4);
    }
    CHECK(slow.front()->read() == "");  // the longest there had to go
}

TEST_CASE("clients that stay after their answer keep nobody out") {
    Running running("127.0.0.1:0", {.connections = 2});
    std::vector<std::unique_ptr<Client>> staying;
    for (int i = 0; i < 10; ++i) {
        staying.push_back(std::make_unique<Client>(running));
        staying.back()->write("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        CHECK(status(staying.back()->read()) == "HTTP/1.1 200 OK");
    }
    CHECK(running.connections() <= 2);
}

TEST_CASE("a stop refuses new connections, drops requests that are not complete and ends the io_context") {
    Running running;
    const ListenAddress address = running.server->address();
    Client slow(address);
    slow.write("GET /counted HTTP/1.1\r\n");
    REQUIRE(eventually([&] { return running.connections() == 1; }));
    running.run([&] { running.server->stop(); });
    CHECK(slow.read() == "");
    CHECK_THROWS(Client(address));
    CHECK(running.calls == 0);
}

TEST_CASE("serves on a unix socket that only owner and group may use, and removes it") {
    Directory directory;
    const std::string path = directory.path + "/metrics.sock";
    {
        Running running("unix:" + path);
        struct stat file {};
        REQUIRE(stat(path.c_str(), &file) == 0);
        CHECK((file.st_mode & 0777) == 0660);
        CHECK(body(get(running, "/metrics", "whatever")) == "up 1\n");
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("takes over a unix socket that a dead process left, and no other") {
    Directory directory;
    const std::string path = directory.path + "/metrics.sock";
    {
        asio::io_context context;
        asio::local::stream_protocol::acceptor dead(context, asio::local::stream_protocol::endpoint(path));
    }
    REQUIRE(std::filesystem::exists(path));
    Running running("unix:" + path);
    CHECK(body(get(running, "/metrics")) == "up 1\n");

    asio::io_context context;
    CHECK_THROWS_AS(Server(context, parse_listen("unix:" + path), {}), StartError);
    CHECK(body(get(running, "/metrics")) == "up 1\n");  // the living one was left alone

    const std::string file = directory.path + "/file";
    std::ofstream(file) << "kept";
    CHECK_THROWS_AS(Server(context, parse_listen("unix:" + file), {}), StartError);
    CHECK(std::filesystem::exists(file));
}

TEST_CASE("an address in use stops the start and names it") {
    Running running;
    asio::io_context context;
    try {
        Server second(context, running.server->address(), {});
        FAIL("it started");
    } catch (const StartError& error) {
        CHECK(contains(error.problem(), running.server->address().to_string()));
        CHECK(contains(error.problem(), "in use"));
        CHECK(contains(error.hint(), "metrics.listen"));
    }
}

TEST_CASE("reads listening addresses and writes them back") {
    for (const char* text : {"127.0.0.1:9464", "[::1]:9464", "0.0.0.0:1", "[::]:65535", "unix:/run/x.sock"})
        CHECK(parse_listen(text).to_string() == text);
    CHECK(parse_listen("localhost:9464").to_string() == "127.0.0.1:9464");
    for (const char* text : {"127.0.0.1:9464", "127.1.2.3:1", "[::1]:9464", "unix:/run/x.sock"})
        CHECK(parse_listen(text).is_local());
    for (const char* text : {"0.0.0.0:9464", "[::]:9464", "192.168.1.1:9464"})
        CHECK_FALSE(parse_listen(text).is_local());
    for (const char* text : {"", "9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                             "127.0.0.1:-1", "127.0.0.1:9464x", "::1:9464", "[::1]", "[127.0.0.1]:1",
                             "example.org:9464", "unix:relative", "unix:"})
        CHECK_THROWS_AS(parse_listen(text), StartError);
}

TEST_CASE("serves on IPv6's loopback") {
    Running running("[::1]:0");
    CHECK(running.server->address().port != 0);
    CHECK(body(get(running, "/metrics", "[::1]")) == "up 1\n");
}
