#include "soak/chaos.hpp"

#include <csignal>
#include <cstdio>

#include "base/pause.hpp"
#include "support/wait.hpp"

namespace memoir::soak {

using namespace memoir::test;
using std::chrono::milliseconds;

namespace {

// In the diary while it lives, and a little longer: what it broke may show after it.
class Entry {
  public:
    Entry(Diary& diary, const std::string& what) : diary_(diary), number_(diary.began(what)) {
        std::printf("chaos: %s\n", what.c_str());
    }
    ~Entry() { diary_.ended(number_); }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

  private:
    Diary& diary_;
    const std::size_t number_;
};

}  // namespace

Host& Chaos::some_host() {
    return world_
        .hosts[static_cast<std::size_t>(between(random_, 0, static_cast<int>(world_.hosts.size()) - 1))];
}

void Chaos::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        switch (between(random_, 0, 11)) {
            case 0:
            case 1:
                host_dies();
                break;
            case 2:
                host_restarts();
                break;
            case 3:
                host_freezes(stop);
                break;
            case 4:
            case 5:
                network_breaks(stop);
                break;
            case 6:
                server_crashes(Cluster::Stop::kill);
                break;
            case 7:
                server_crashes(Cluster::Stop::fast);
                break;
            case 8:
                server_is_read_only(stop);
                break;
            case 9:
                memories_are_locked(stop);
                break;
            case 10:
                model_fails(stop);
                break;
            default:
                index_fails(stop);
                break;
        }
        pause(milliseconds(between(random_, 200, 2'500)), stop);
    }
    for (auto& host : world_.hosts)
        if (!host.memoird->process().running()) world_.start(host);
}

void Chaos::host_dies() {
    auto& host = some_host();
    const Entry entry(world_.diary, "a memoird is killed");
    host.memoird->process().signal(SIGKILL);
    host.memoird->process().wait();
    world_.start(host);
}

void Chaos::host_restarts() {
    auto& host = some_host();
    const Entry entry(world_.diary, "a memoird is restarted");
    const auto code = host.memoird->stop();
    world_.exits.push_back(code.value_or(-1));
    world_.start(host);
}

void Chaos::host_freezes(const std::stop_token& stop) {
    auto& host = some_host();
    const Entry entry(world_.diary, "a memoird is frozen");
    host.memoird->process().signal(SIGSTOP);
    pause(milliseconds(between(random_, 500, 5'000)), stop);
    host.memoird->process().signal(SIGCONT);
}

void Chaos::network_breaks(const std::stop_token& stop) {
    auto& host = some_host();
    const Entry entry(world_.diary, "a host's network breaks");
    switch (between(random_, 0, 3)) {
        case 0:
            host.proxy->cut_all();
            break;
        case 1:
            host.proxy->drop_replies(1, "commit");
            pause(milliseconds(500), stop);
            host.proxy->drop_replies(0);
            break;
        case 2:
            host.proxy->refuse(true);
            host.proxy->cut_all();
            pause(milliseconds(between(random_, 200, 4'000)), stop);
            host.proxy->refuse(false);
            break;
        default:
            host.proxy->swallow(true);
            pause(milliseconds(between(random_, 200, 4'000)), stop);
            host.proxy->swallow(false);
            break;
    }
}

void Chaos::server_crashes(Cluster::Stop how) {
    const Entry entry(world_.diary,
                      how == Cluster::Stop::kill ? "the server crashes" : "the server restarts");
    world_.cluster.stop(how);
    world_.cluster.start();
}

void Chaos::server_is_read_only(const std::stop_token& stop) {
    const Entry entry(world_.diary, "the server is read-only");
    const auto set = [&](const char* value) {
        eventually([&] {
            try {
                const auto connection = world_.schema.connect();
                connection->exec("set default_transaction_read_only = off");
                connection->exec("set transaction_read_only = off");
                connection->exec(std::string("alter system set default_transaction_read_only = ") + value);
                connection->exec("select pg_reload_conf()");
                return true;
            } catch (const pg::Error&) {
                return false;
            }
        });
    };
    set("on");
    pause(milliseconds(between(random_, 200, 3'000)), stop);
    set("off");
}

void Chaos::memories_are_locked(const std::stop_token& stop) {
    const Entry entry(world_.diary, "memories are locked");
    try {
        const auto connection = world_.schema.connect();
        connection->exec("begin");
        connection->exec("select 1 from \"" + world_.schema.name() +
                         "\".memories order by random() limit 3 for update");
        pause(milliseconds(between(random_, 200, 4'000)), stop);
        connection->exec("rollback");
    } catch (const pg::Error&) {
        // The server was away: nothing is locked.
    }
}

void Chaos::model_fails(const std::stop_token& stop) {
    const Entry entry(world_.diary, "the model fails");
    const HttpReply replies[]{{.status = 503},
                              {.status = 429, .headers = {{"Retry-After", "1"}}},
                              {.status = 500, .body = R"({"error":"model runner has unexpectedly stopped"})"},
                              {.status = 401, .body = R"({"error":"unauthorized"})"},
                              {.fault = HttpReply::Fault::reset}};
    const auto reply = replies[between(random_, 0, 4)];
    world_.chat.gate([reply](bool) { return reply; });
    pause(milliseconds(between(random_, 200, 3'000)), stop);
    world_.chat.gate({});
}

void Chaos::index_fails(const std::stop_token& stop) {
    const Entry entry(world_.diary, "the index fails");
    const char* kinds[]{"status", "cut", "reset", "lost"};
    world_.qdrant.fault({.kind = kinds[between(random_, 0, 3)], .path = "points"});
    pause(milliseconds(between(random_, 200, 3'000)), stop);
    world_.qdrant.heal();
}

}  // namespace memoir::soak
