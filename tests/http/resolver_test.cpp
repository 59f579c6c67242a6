// A resolver that hangs: name servers that do not answer hold getaddrinfo for 10 s and more.
#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "http/client.hpp"
#include "support/wait.hpp"

using namespace memoir;

namespace {
std::atomic<int> hanging{0};
std::atomic<bool> released{false};
}  // namespace

// Takes the place of the C library's for everything in this program, libcurl included.
extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints, addrinfo** found) {
    if (name && std::strcmp(name, "hanging.invalid") == 0) {
        ++hanging;
        test::eventually([] { return released.load(); });
        --hanging;
        return EAI_AGAIN;
    }
    using Function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto real = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "getaddrinfo"));
    return real(name, service, hints, found);
}

TEST_CASE("a resolver that hangs holds neither a cancel nor the connect time-out") {
    released = false;
    {
        http::Client client;
        http::Request request;
        request.url = "http://hanging.invalid/";
        request.timeout = std::chrono::seconds(20);
        request.connect_timeout = std::chrono::seconds(20);
        const auto error = [&](std::stop_token stop) {
            try {
                client.send(request, stop);
            } catch (const http::TransportFailure& caught) {
                return caught.error();
            }
            return http::TransportError::other;
        };

        std::stop_source source;
        std::thread stopper([&] {
            test::eventually([] { return hanging > 0; });
            source.request_stop();
        });
        CHECK(error(source.get_token()) == http::TransportError::cancelled);
        stopper.join();
        CHECK(hanging == 1);  // returned while the resolver still hung

        request.connect_timeout = Milliseconds(100);
        CHECK(error({}) == http::TransportError::connect_timeout);
        CHECK(hanging == 2);
    }
    CHECK(hanging == 2);  // the client's end does not wait either
    released = true;
    CHECK(test::eventually([] { return hanging == 0; }));
}
