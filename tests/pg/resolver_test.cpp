#include "pg/resolver.hpp"

#include <netdb.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "pg/connection.hpp"
#include "support/postgres.hpp"
#include "support/wait.hpp"

using namespace memoir;
using pg::Resolver;

namespace {

// A name server that answers nobody until it is told to; "good" is answered at once.
struct Silent {
    std::atomic<int> asked{0};
    std::atomic<bool> released{false};

    Resolver::Lookup lookup() {
        return [this](const std::string& host) -> Resolver::Answer {
            if (host == "good") return {{"127.0.0.1"}, 0};
            ++asked;
            test::eventually([this] { return released.load(); });
            return {{}, EAI_AGAIN};
        };
    }
};

}  // namespace

TEST_CASE("a name server that does not answer costs the deadline and no more") {
    Silent silent;
    Resolver resolver(silent.lookup());
    const auto start = Steady::now();
    try {
        pg::Connection::connect({.conninfo = "host=silent user=u dbname=d",
                                 .connect_timeout = Milliseconds(100),
                                 .resolver = &resolver});
        FAIL("connected");
    } catch (const pg::Error& error) {
        CHECK(std::string(error.what()) == "connect: timed out after 100 ms");
        CHECK(error.error_class() == pg::ErrorClass::connection);
    }
    CHECK(Steady::now() - start < Milliseconds(20'000));  // the name server is silent for 30 s
    CHECK(silent.asked == 1);
    silent.released = true;
}

TEST_CASE("a stop ends a look-up that hangs") {
    Silent silent;
    Resolver resolver(silent.lookup());
    std::stop_source source;
    std::jthread stopper([&] {
        test::eventually([&] { return silent.asked == 1; });
        source.request_stop();
    });
    try {
        pg::Connection::connect({.conninfo = "host=silent", .resolver = &resolver}, source.get_token());
        FAIL("connected");
    } catch (const pg::Error& error) {
        CHECK(error.error_class() == pg::ErrorClass::cancelled);
    }
    silent.released = true;
}

TEST_CASE("a look-up that hangs holds up no other") {
    Silent silent;
    Resolver resolver(silent.lookup());
    const auto soon = [] { return Steady::now() + Milliseconds(50); };
    CHECK_FALSE(resolver.resolve("silent", soon(), {}));
    CHECK_FALSE(resolver.resolve("silent", soon(), {}));
    const auto answer = resolver.resolve("good", Steady::now() + std::chrono::seconds(30), {});
    REQUIRE(answer);
    CHECK(answer->addresses == std::vector<std::string>{"127.0.0.1"});
    silent.released = true;
}

TEST_CASE("look-ups that wait for a thread give up at their deadline and are not made later") {
    Silent silent;
    Resolver resolver(silent.lookup());
    for (int i = 0; i < 6; ++i) CHECK_FALSE(resolver.resolve("silent", Steady::now() + Milliseconds(20), {}));
    CHECK(silent.asked == 4);  // its threads
    silent.released = true;
    CHECK(resolver.resolve("good", Steady::now() + std::chrono::seconds(30), {}));
    CHECK(silent.asked == 4);
}

TEST_CASE("an address needs no name server") {
    Silent silent;
    Resolver resolver(silent.lookup());
    CHECK(resolver.resolve("::1", Steady::now(), {})->addresses == std::vector<std::string>{"::1"});
    CHECK(silent.asked == 0);
    const auto local = Resolver::shared().resolve("localhost", Steady::now() + std::chrono::seconds(30), {});
    REQUIRE(local);
    CHECK_FALSE(local->addresses.empty());
}
