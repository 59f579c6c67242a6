// Connecting: one deadline over name resolution, TCP, TLS and authentication. libpq's own list of hosts is
// not used, because a host that never answers would use up the whole deadline: each target gets its share.

#include <array>
#include <utility>

#include "pg/connection.hpp"
#include "pg/conninfo.hpp"
#include "pg/credentials.hpp"
#include "pg/diagnose.hpp"
#include "pg/resolver.hpp"

namespace memoir::pg {
namespace {

struct Attempt {
    Target target;
    std::string session_attrs;  // empty: as the connection string says
};

Error timed_out(Milliseconds limit) {
    return {ErrorClass::connection, "", "connect: timed out after " + std::to_string(limit.count()) + " ms"};
}

Error stopped() {
    return {ErrorClass::cancelled, "", "connect: stopped"};
}

// Every target with every address of its name.
std::vector<Attempt> attempts_for(const Conninfo& info, Resolver& resolver, TimePoint deadline,
                                  const std::stop_token& stop, Milliseconds limit) {
    std::vector<Attempt> attempts;
    for (const auto& target : info.targets) {
        if (target.is_socket() || !target.address.empty() || target.host.empty()) {
            attempts.push_back({target, ""});
            continue;
        }
        const auto answer = resolver.resolve(target.host, deadline, stop);
        if (stop.stop_requested()) throw stopped();
        if (!answer) break;  // the deadline: no time for the others either
        for (const auto& address : answer->addresses)
            attempts.push_back({{target.host, address, target.port}, ""});
    }
    if (info.targets.empty()) attempts.push_back({});
    if (attempts.empty() && Steady::now() >= deadline) throw timed_out(limit);
    if (attempts.empty()) throw Error(ErrorClass::connection, "", "connect: the host name does not resolve");

    if (info.target_session_attrs == "prefer-standby") {
        // libpq's two passes: a standby anywhere, else whoever answers.
        auto any = attempts;
        for (auto& attempt : attempts) attempt.session_attrs = "standby";
        for (auto& attempt : any) attempt.session_attrs = "any";
        attempts.insert(attempts.end(), any.begin(), any.end());
    }
    return attempts;
}

// What memoird adds to the connection string. No `options`: PgBouncer refuses them.
class Keywords {
  public:
    void add(const char* key, const std::string& value) {
        if (value.empty()) return;
        keys_.push_back(key);
        values_.push_back(value.c_str());
    }
    PGconn* start() {
        keys_.push_back(nullptr);
        values_.push_back(nullptr);
        return PQconnectStartParams(keys_.data(), values_.data(), 1);
    }

  private:
    std::vector<const char*> keys_, values_;  // of strings that outlive it
};

PGconn* start(const ConnectOptions& options, const Conninfo& info, const Attempt& attempt) {
    // A dead peer is noticed within a minute even where no statement waits for it: 30 s until the first
    // probe, three of them 10 s apart; unacknowledged data gives up after the default statement deadline.
    static const std::string idle = "30", interval = "10", count = "3", user_timeout = "30000", utf8 = "UTF8";
    Keywords keywords;
    keywords.add("dbname", options.conninfo);
    keywords.add("host", attempt.target.host);
    keywords.add("hostaddr", attempt.target.address);
    keywords.add("port", attempt.target.port);
    keywords.add("target_session_attrs", attempt.session_attrs);
    keywords.add("client_encoding", utf8);
    keywords.add("fallback_application_name", options.application_name);
    if (!info.has_keepalive) {
        keywords.add("keepalives_idle", idle);
        keywords.add("keepalives_interval", interval);
        keywords.add("keepalives_count", count);
    }
    if (!info.has_user_timeout) keywords.add("tcp_user_timeout", user_timeout);
    return keywords.start();
}

// Drives one attempt to its end. Throws what went wrong.
void drive(PGconn* handle, Waiter& waiter, TimePoint deadline, Milliseconds limit) {
    auto next = PGRES_POLLING_WRITING;  // libpq's rule for the first call
    while (PQstatus(handle) != CONNECTION_BAD) {
        if (next == PGRES_POLLING_OK) return;
        if (next == PGRES_POLLING_FAILED) break;
        const short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        switch (waiter.wait(PQsocket(handle), events, deadline)) {
            case Waiter::Woken::stop:
                throw stopped();
            case Waiter::Woken::deadline:
                throw timed_out(limit);
            case Waiter::Woken::ready:
                next = PQconnectPoll(handle);
        }
    }
    throw diagnose_connect(PQerrorMessage(handle));
}

void ignore_notice(void*, const PGresult*) {}

using Handle = std::unique_ptr<PGconn, decltype(&PQfinish)>;

Handle open(const ConnectOptions& options, const std::stop_token& stop) {
    const auto deadline = Steady::now() + options.connect_timeout;
    if (stop.stop_requested()) throw stopped();
    const auto info = read_conninfo(options.conninfo);
    auto& resolver = options.resolver == nullptr ? Resolver::shared() : *options.resolver;
    const auto attempts = attempts_for(info, resolver, deadline, stop, options.connect_timeout);

    Waiter waiter;
    const Waiter::Watch watch(waiter, stop);
    std::optional<Error> last;
    for (std::size_t i = 0; i < attempts.size(); ++i) {
        const auto left = deadline - Steady::now();
        const auto share = left / static_cast<int>(attempts.size() - i);
        Handle handle(start(options, info, attempts[i]), &PQfinish);
        if (!handle) throw Error(ErrorClass::other, "", "connect: out of memory");
        // Of the server's words only the SQLSTATE reaches us, and nothing is printed to standard error.
        PQsetErrorVerbosity(handle.get(), PQERRORS_SQLSTATE);
        PQsetNoticeReceiver(handle.get(), ignore_notice, nullptr);
        try {
            drive(handle.get(), waiter, Steady::now() + share, options.connect_timeout);
            PQsetnonblocking(handle.get(), 1);
            return handle;
        } catch (const Error& error) {
            if (error.error_class() == ErrorClass::cancelled) throw;
            // As libpq does: what a server refuses to this user, it is not asked of the next one.
            if (error.error_class() == ErrorClass::permission && !error.sqlstate().empty()) throw;
            last = error;
        }
    }
    throw *last;
}

}  // namespace

std::unique_ptr<Connection> Connection::connect(const ConnectOptions& configured, std::stop_token stop) {
    auto options = configured;
    options.conninfo = Credentials::shared().current(configured.conninfo);
    const auto connected = [&] {
        return std::unique_ptr<Connection>(new Connection(open(options, stop), options));
    };
    try {
        return connected();
    } catch (const Error& error) {
        // A password that was rotated: what it is now may stand where it was read from.
        const bool refused = error.sqlstate().starts_with("28");
        if (!refused || !Credentials::shared().renew(configured.conninfo)) throw;
        options.conninfo = Credentials::shared().current(configured.conninfo);
        return connected();
    }
}

}  // namespace memoir::pg
