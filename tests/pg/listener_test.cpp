#include "pg/listener.hpp"

#include <catch2/catch.hpp>
#include <mutex>

#include "support/pgbouncer.hpp"
#include "support/postgres.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace memoir;
using pg::Listener;
using test::Cluster;
using test::TcpProxy;

namespace {

// What a listener reports, in order: "working", "missed", "got X" …
class Heard {
  public:
    Listener::Callbacks callbacks() {
        return {[this](const std::string& payload) { note("got " + payload); }, [this] { note("missed"); },
                [this](Listener::State state, const std::optional<pg::Error>&) {
                    note(std::string(to_string(state)));
                }};
    }
    std::vector<std::string> all() const {
        std::lock_guard lock(mutex_);
        return all_;
    }
    bool comes_to(const std::vector<std::string>& expected) const {
        test::eventually([&] { return all().size() >= expected.size(); });
        return all() == expected;
    }

  private:
    void note(std::string text) {
        std::lock_guard lock(mutex_);
        all_.push_back(std::move(text));
    }
    mutable std::mutex mutex_;
    std::vector<std::string> all_;
};

void notify(const std::string& channel, const std::string& payload) {
    pg::Connection::connect({.conninfo = Cluster::shared().url()})
        ->exec("select pg_notify($1, $2)", pg::Params().add(channel).add(payload));
}

}  // namespace

TEST_CASE("a listener proves that it works and passes notifications on") {
    Heard heard;
    Listener listener({.conninfo = Cluster::shared().url()}, "ch_direct", heard.callbacks());
    REQUIRE(heard.comes_to({"working", "missed"}));
    CHECK(listener.state() == Listener::State::working);
    notify("ch_other", "not ours");
    notify("ch_direct", "embed");
    notify("ch_direct", "");
    CHECK(heard.comes_to({"working", "missed", "got embed", "got "}));
}

TEST_CASE("the self-tests of other listeners on the channel are no news") {
    Heard heard, other;
    Listener listener({.conninfo = Cluster::shared().url()}, "ch \"odd\" name", heard.callbacks());
    REQUIRE(heard.comes_to({"working", "missed"}));
    Listener second({.conninfo = Cluster::shared().url()}, "ch \"odd\" name", other.callbacks());
    REQUIRE(other.comes_to({"working", "missed"}));
    notify("ch \"odd\" name", "last");
    CHECK(heard.comes_to({"working", "missed", "got last"}));
}

TEST_CASE("LISTEN through a transaction pooler is found not to work") {
    test::PgBouncer bouncer(Cluster::shared());
    Heard heard;
    Listener listener({.conninfo = bouncer.url()}, "ch_pooled", heard.callbacks(),
                      {.self_test = Milliseconds(20), .answer = Milliseconds(100)});
    CHECK(heard.comes_to({"not_working"}));
    CHECK(listener.state() == Listener::State::not_working);
}

TEST_CASE("a listener comes back after its connection is lost, and says that it may have missed something") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    Heard heard;
    Listener listener({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port())}, "ch_lost",
                      heard.callbacks());
    REQUIRE(heard.comes_to({"working", "missed"}));
    proxy.refuse(true);
    proxy.cut_all();
    REQUIRE(heard.comes_to({"working", "missed", "disconnected"}));
    proxy.refuse(false);
    CHECK(heard.comes_to({"working", "missed", "disconnected", "working", "missed"}));
}

TEST_CASE("a connection that died silently is found out by the self-test") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    Heard heard;
    Listener listener({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port()),
                       .connect_timeout = Milliseconds(1'000),
                       .statement_timeout = Milliseconds(1'000)},
                      "ch_silent", heard.callbacks(),
                      {.self_test = Milliseconds(20), .answer = Milliseconds(1'000)});
    REQUIRE(heard.comes_to({"working", "missed"}));
    proxy.swallow(true);
    REQUIRE(heard.comes_to({"working", "missed", "disconnected"}));
    proxy.cut_all();
    proxy.swallow(false);
    CHECK(heard.comes_to({"working", "missed", "disconnected", "working", "missed"}));
}

TEST_CASE("a listener stops at once, also while it cannot connect") {
    TcpProxy proxy("127.0.0.1", Cluster::shared().port());
    proxy.swallow(true);
    TimePoint start;
    {
        Listener connecting({.conninfo = Cluster::shared().tcp_url("memoir", proxy.port())}, "ch_stop", {});
        test::eventually([&] { return proxy.accepted() == 1; });
        start = Steady::now();
    }
    CHECK(Steady::now() - start < Milliseconds(8'000));  // connecting is given up after 10 s
    Heard heard;
    {
        Listener idle({.conninfo = Cluster::shared().url()}, "ch_stop", heard.callbacks());
        REQUIRE(heard.comes_to({"working", "missed"}));
        start = Steady::now();
    }
    CHECK(Steady::now() - start < Milliseconds(8'000));  // connecting is given up after 10 s
}
