#include "http/client.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <latch>
#include <thread>

#include "support/http_double.hpp"
#include "support/wait.hpp"

using namespace memoir;
using http::TransportError;
using test::HttpDouble;
using test::HttpReply;
using test::HttpRequest;
using Fault = HttpReply::Fault;
using std::chrono::seconds;

namespace {

http::Request request_to(const std::string& url) {
    http::Request request;
    request.url = url;
    request.headers = {{"Content-Type", "application/json"}};
    request.body = R"({"a":1})";
    request.timeout = seconds(20);
    return request;
}

// The error of a call that has to fail, and its text.
std::pair<TransportError, std::string> failure(http::Client& client, const http::Request& request,
                                               std::stop_token stop = {}) {
    try {
        client.send(request, stop);
    } catch (const http::TransportFailure& caught) {
        return {caught.error(), caught.what()};
    }
    FAIL("the call succeeded");
    return {};
}

HttpDouble always(HttpReply reply) {
    return HttpDouble([reply](const HttpRequest&) { return reply; });
}

std::string authority(const HttpDouble& server) {
    return "127.0.0.1:" + std::to_string(server.port());
}

}  // namespace

TEST_CASE("sends the request as it is and returns status, headers and body") {
    HttpDouble server([](const HttpRequest&) {
        return HttpReply{418, R"({"ok":true})", {{"X-Answer", " 42 "}, {"X-Answer", "43"}}};
    });
    http::Client client;
    auto request = request_to(server.url() + "/v1/do?x=1");
    request.secret_header = "Authorization";
    request.secret_value = Secret("Bearer abc");
    const auto response = client.send(request);
    CHECK(response.status == 418);
    CHECK(response.body == R"({"ok":true})");
    CHECK(response.header("x-answer") == "42");
    CHECK(response.header("absent").empty());
    const auto seen = server.requests().at(0);
    CHECK(seen.method == "POST");
    CHECK(seen.target == "/v1/do?x=1");
    CHECK(seen.body == R"({"a":1})");
    CHECK(seen.headers.at("authorization") == "Bearer abc");
    CHECK(seen.headers.at("content-type") == "application/json");
    CHECK(seen.headers.at("user-agent") == "memoird/" MEMOIRD_VERSION);
    CHECK(seen.headers.count("expect") == 0);
}

TEST_CASE("sends every method with and without a body") {
    auto server = always({200, "x"});
    http::Client client;
    for (const std::string method : {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"})
        for (const std::string body : {"", "{}"}) {
            if (method == "HEAD" && !body.empty()) continue;
            server.forget();
            auto request = request_to(server.url());
            request.method = method;
            request.body = body;
            request.headers.clear();
            // The double answers HEAD with a body, which a client must not wait for, so no keep-alive then.
            CAPTURE(method, body);
            CHECK(client.send(request).status == 200);
            const auto seen = server.requests().at(0);
            CHECK(seen.method == method);
            CHECK(seen.body == body);
            CHECK(seen.headers.count("content-type") == 0);
        }
}

TEST_CASE("a large body goes out and comes back whole") {
    HttpDouble server([](const HttpRequest& request) { return HttpReply{200, request.body}; });
    http::Client client;
    auto request = request_to(server.url());
    request.body.assign(8 << 20, 'x');
    CHECK(client.send(request).body == request.body);
}

TEST_CASE("keeps the connection for the next call, and opens as many as calls run at once") {
    std::latch both(2);
    std::atomic<bool> together{false};
    HttpDouble server([&](const HttpRequest&) {
        if (together) both.arrive_and_wait();
        return HttpReply{};
    });
    http::Client client;
    for (int i = 0; i < 5; ++i) client.send(request_to(server.url()));
    CHECK(server.connections() == 1);
    together = true;
    std::thread other([&] { client.send(request_to(server.url())); });
    client.send(request_to(server.url()));
    other.join();
    CHECK(server.connections() == 2);
}

TEST_CASE("a kept connection that the server closed meanwhile is replaced without a failure") {
    auto server = always({200, "x"});
    http::Client client;
    client.send(request_to(server.url()));
    server.stop();
    server.start();
    CHECK(client.send(request_to(server.url())).status == 200);
}

TEST_CASE("each way in which a call breaks has its own error and names only host and port") {
    struct Row {
        Fault fault;
        TransportError error;
    };
    const auto row = GENERATE(values<Row>({{Fault::hang, TransportError::timeout},
                                           {Fault::stall, TransportError::silence},
                                           {Fault::stall_headers, TransportError::timeout},
                                           {Fault::cut, TransportError::cut},
                                           {Fault::close, TransportError::cut},
                                           {Fault::reset, TransportError::reset},
                                           {Fault::garbage, TransportError::not_http}}));
    HttpReply reply{200, "0123456789"};
    reply.fault = row.fault;
    auto server = always(reply);
    http::Client client;
    auto request = request_to("http://user:sesame@" + authority(server) + "/path?key=sesame");
    request.silence_timeout = Milliseconds(200);
    if (row.error == TransportError::timeout) request.timeout = Milliseconds(300);
    const auto [error, text] = failure(client, request);
    CAPTURE(text, to_string(error));
    CHECK(error == row.error);
    CHECK(text.starts_with(authority(server) + ": "));
    CHECK(text.find("sesame") == std::string::npos);
    CHECK(text.find("user") == std::string::npos);
}

TEST_CASE("a broken call leaves the client usable") {
    HttpDouble server([count = std::make_shared<std::atomic<int>>(0)](const HttpRequest&) {
        HttpReply reply{200, "0123456789"};
        if (++*count % 2) reply.fault = Fault::cut;
        return reply;
    });
    http::Client client;
    for (int i = 0; i < 3; ++i) {
        CHECK(failure(client, request_to(server.url())).first == TransportError::cut);
        CHECK(client.send(request_to(server.url())).status == 200);
    }
}

TEST_CASE("a server that is not there refuses, is not resolved, or has no TLS") {
    http::Client client;
    auto server = always({});
    CHECK(failure(client, request_to("https://" + authority(server))).first == TransportError::tls);
    server.stop();
    const auto [error, text] = failure(client, request_to(server.url()));
    CHECK(error == TransportError::refused);
    CHECK(text == authority(server) + ": connection refused");
    CHECK(failure(client, request_to("http://no-such-host.invalid")).first == TransportError::resolve);
}

TEST_CASE("a port that speaks HTTP/2 only is recognised") {
    auto server = always({});
    // A SETTINGS frame, then GOAWAY: what gRPC servers say to an HTTP/1.1 client.
    const std::string settings("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", 15);
    const std::string goaway("\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", 17);
    server.handle([&](const HttpRequest&) {
        HttpReply reply;
        reply.raw = goaway;
        return reply;
    });
    http::Client client;
    CHECK(failure(client, request_to(server.url())).first == TransportError::not_http);
    server.greet(settings);
    CHECK(failure(client, request_to(server.url())).first == TransportError::not_http);
}

TEST_CASE("an answer without headers is no HTTP") {
    auto server = always({});
    server.handle([](const HttpRequest&) {
        HttpReply reply;
        reply.raw = "<html><body>HTTP/0.9 lives</body></html>\n";
        return reply;
    });
    http::Client client;
    CHECK(failure(client, request_to(server.url())).first == TransportError::not_http);
}

TEST_CASE("redirects are not followed and say what kind of place they lead to") {
    auto server = always({});
    http::Client client;
    const std::vector<std::pair<std::string, std::string>> table{
        {"http://elsewhere.example/sesame", "another host"},
        {"https://127.0.0.1:" + std::to_string(server.port()) + "/", "https:// of the same host"},
        {"http://127.0.0.1:1/", "another port"},
        {"/sesame", "another path"},
        {"", "another path"}};
    for (const int status : {301, 302, 303, 307, 308})
        for (const auto& [location, words] : table) {
            server.forget();
            server.handle([&](const HttpRequest&) {
                return HttpReply{status, "", {{"Location", location}}};
            });
            const auto [error, text] = failure(client, request_to(server.url()));
            CAPTURE(status, text);
            CHECK(error == TransportError::redirect);
            CHECK(text.find(words) != std::string::npos);
            CHECK(text.find("HTTP " + std::to_string(status)) != std::string::npos);
            CHECK(text.find("sesame") == std::string::npos);
            CHECK(server.requests().size() == 1);
        }
}

TEST_CASE("an answer over the limit is refused: announced, unannounced, or after decompression") {
    http::Client client;
    HttpReply reply{200, std::string(2'000'000, 'x')};
    SECTION("announced") {}
    SECTION("chunked") {
        reply.chunked = true;
    }
    SECTION("compressed") {
        // gzip of a megabyte of zeros: 1,055 bytes.
        reply.raw = "";
        FILE* pipe = popen("head -c 1000000 /dev/zero | gzip -9 -n", "r");
        REQUIRE(pipe);
        reply.body.clear();
        char part[4096];
        for (std::size_t got; (got = fread(part, 1, sizeof part, pipe)) > 0;) reply.body.append(part, got);
        pclose(pipe);
        REQUIRE(reply.body.size() < 5'000);
        reply.headers = {{"Content-Encoding", "gzip"}};
    }
    auto server = always(reply);
    auto request = request_to(server.url());
    request.max_response_bytes = 10'000;
    CHECK(failure(client, request).first == TransportError::too_large);
    request.max_response_bytes = 3'000'000;
    CHECK(client.send(request).body.size() >= 1'000'000);
}

TEST_CASE("endless headers are refused") {
    auto server = always({});
    server.handle([](const HttpRequest&) {
        HttpReply reply;
        reply.raw = "HTTP/1.1 200 OK\r\n";
        for (int i = 0; i < 40'000; ++i) reply.raw += "X-Header-" + std::to_string(i) + ": value\r\n";
        return reply;
    });
    http::Client client;
    CHECK(failure(client, request_to(server.url())).first == TransportError::too_large);
}

TEST_CASE("a body that drips stays within silence, and ends with the call's time-out") {
    HttpReply reply{200, std::string(1'000, 'x')};
    reply.fault = Fault::drip;
    reply.drip = Milliseconds(20);
    auto server = always(reply);
    http::Client client;
    auto request = request_to(server.url());
    request.silence_timeout = seconds(5);
    request.timeout = Milliseconds(400);
    CHECK(failure(client, request).first == TransportError::timeout);
}

TEST_CASE("silence does not count before the headers have come") {
    HttpReply reply{200, "x"};
    reply.delay = Milliseconds(300);
    auto server = always(reply);
    http::Client client;
    auto request = request_to(server.url());
    request.silence_timeout = Milliseconds(50);
    CHECK(client.send(request).status == 200);
}

TEST_CASE("an interim answer is passed over") {
    auto server = always({});
    server.handle([](const HttpRequest&) {
        HttpReply reply;
        reply.raw =
            "HTTP/1.1 103 Early Hints\r\nX-Answer: early\r\n\r\n"
            "HTTP/1.1 200 OK\r\nX-Answer: late\r\nContent-Length: 2\r\n\r\n{}";
        return reply;
    });
    http::Client client;
    const auto response = client.send(request_to(server.url()));
    CHECK(response.status == 200);
    CHECK(response.header("x-answer") == "late");
    CHECK(response.body == "{}");
}

TEST_CASE("a stop ends a call at once: hanging before the answer, within it, and before the call") {
    const auto fault = GENERATE(Fault::hang, Fault::stall, Fault::stall_headers, Fault::none);
    HttpReply reply{200, "0123456789"};
    reply.fault = fault;
    auto server = always(reply);
    http::Client client;
    std::stop_source source;
    if (fault == Fault::none) source.request_stop();
    std::thread stopper([&] {
        test::eventually([&] { return fault == Fault::none || !server.requests().empty(); });
        source.request_stop();
    });
    const auto [error, text] = failure(client, request_to(server.url()), source.get_token());
    CHECK(error == TransportError::cancelled);
    stopper.join();
    // Bounded by the call's 20 s time-out otherwise, which would be another error.
}

TEST_CASE("a stop ends a connect that nobody answers") {
    // A listener whose queue is full: further connects hang.
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener, 0) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    std::vector<int> fillers;
    for (int i = 0; i < 4; ++i) {
        fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        static_cast<void>(::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), sizeof address));
    }
    http::Client client;
    auto request = request_to("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)));
    request.connect_timeout = Milliseconds(200);
    CHECK(failure(client, request).first == TransportError::connect_timeout);
    request.connect_timeout = seconds(20);
    std::stop_source source;
    std::thread stopper([&] { source.request_stop(); });
    CHECK(failure(client, request, source.get_token()).first == TransportError::cancelled);
    stopper.join();
    for (const int filler : fillers) ::close(filler);
    ::close(listener);
}

TEST_CASE("a secret is not sent over http beyond loopback, nor is a broken request") {
    http::Client client;
    auto request = request_to("http://user:sesame@192.0.2.1/");
    auto [error, text] = failure(client, request);
    CHECK(error == TransportError::invalid);
    CHECK(text == "192.0.2.1:80: a secret is not sent over http:// beyond loopback");
    request.url = "http://192.0.2.1/";
    request.secret_header = "x-api-key";
    request.secret_value = Secret("sesame");
    CHECK(failure(client, request).first == TransportError::invalid);
    request = request_to("http://127.0.0.1:1/");
    request.headers.emplace_back("X-A", "b\r\nX-C: d");
    CHECK(failure(client, request).first == TransportError::invalid);
    for (const auto* url : {"", "ftp://127.0.0.1/", "no url", "http://", "file:///etc/passwd"})
        CHECK(failure(client, request_to(url)).first == TransportError::invalid);
}

TEST_CASE("loopback goes past a proxy of the environment, and what lies beyond goes through it") {
    auto proxy = always({200, "proxy"});
    auto server = always({200, "server"});
    REQUIRE(::setenv("http_proxy", proxy.url().c_str(), 1) == 0);
    http::Client client;
    const auto direct = client.send(request_to(server.url())).body;
    const auto through = client.send(request_to("http://example.invalid/x")).body;
    ::unsetenv("http_proxy");
    CHECK(direct == "server");
    CHECK(through == "proxy");
    CHECK(proxy.requests().at(0).target == "http://example.invalid/x");
}

TEST_CASE("a proxy that refuses a tunnel is an outage, and does not see the secret") {
    auto proxy = always({403, "no"});
    REQUIRE(::setenv("https_proxy", proxy.url().c_str(), 1) == 0);
    http::Client client;
    auto request = request_to("https://example.invalid/x");
    request.secret_header = "Authorization";
    request.secret_value = Secret("Bearer sesame");
    const auto [error, text] = failure(client, request);
    ::unsetenv("https_proxy");
    CHECK(error == TransportError::refused);
    CHECK(text.starts_with("example.invalid:443: "));
    const auto seen = proxy.requests().at(0);
    CHECK(seen.method == "CONNECT");
    CHECK(seen.headers.count("authorization") == 0);
}

TEST_CASE("many threads share a client while some of them are cancelled") {
    HttpDouble server([](const HttpRequest& request) {
        HttpReply reply{200, request.body};
        if (request.target == "/hang") reply.fault = Fault::hang;
        return reply;
    });
    http::Client client;
    std::atomic<int> answered{0}, cancelled{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 16; ++t)
            threads.emplace_back([&, t] {
                for (int i = 0; i < 20; ++i) {
                    auto request = request_to(server.url() + (t % 4 ? "/" : "/hang"));
                    request.body = std::to_string(t * 100 + i);
                    std::stop_source source;
                    std::jthread stopper;
                    if (t % 4 == 0) stopper = std::jthread([&] { source.request_stop(); });
                    try {
                        if (client.send(request, source.get_token()).body == request.body) ++answered;
                    } catch (const http::TransportFailure& caught) {
                        if (caught.error() == TransportError::cancelled) ++cancelled;
                    }
                }
            });
    }
    CHECK(answered == 12 * 20);
    CHECK(cancelled == 4 * 20);
}
