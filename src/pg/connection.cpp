#include "pg/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "pg/canceller.hpp"
#include "pg/diagnose.hpp"
#include "pg/loss.hpp"
#include "pg/replies.hpp"

namespace memoir::pg {
namespace {

constexpr std::size_t most_parameters = 65'535;  // the protocol counts them in 16 bits

const Params no_params;

// Until the end of the transaction. A plan is made at any execution, also of a prepared statement: whenever
// the table's statistics are renewed.
constexpr const char* plan_in_order =
    "select set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true), "
    "set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)";

// A plan that is kept was made for the table as it was. Of an empty one the server would scan all of it, and
// go on so when it is large; with an index there is never a reason to. The price that the planner puts on a
// forbidden scan must not start its compiler. Here until the end of the transaction, there of the session.
constexpr const char* plan_by_index =
    "select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)";
constexpr const char* session_by_index =
    "select set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)";

// A statement under a name, looked up where it has to be: in the same transaction, on the same server
// connection. A pooler that keeps its clients' statements apart calls it something else there.
constexpr const char* trial_name = "memoird_trial";
constexpr const char* trial = "select 'memoird: prepared through a pooler'";
constexpr const char* look_for_trial =
    "select coalesce(bool_or(name = 'memoird_trial'), false), count(*) > 0 from pg_prepared_statements where "
    "statement = $1";
constexpr const char* end_trial =
    "do $$ begin if exists (select from pg_prepared_statements where name = 'memoird_trial') then "
    "deallocate memoird_trial; end if; end $$";

// The schema changed under a prepared statement (its result's type, or all of them by DISCARD).
bool is_outdated(const Error& error) {
    return error.sqlstate() == "0A000" || error.sqlstate() == "26000";
}

Error lost() {
    return {ErrorClass::connection, "", "the connection was lost"};
}

}  // namespace

Connection::Connection(Handle handle, const ConnectOptions& options)
    : handle_(std::move(handle)), options_(options) {
    PQsetNoticeReceiver(handle_.get(), on_notice, this);
}

Connection::~Connection() = default;

Result Connection::exec(const std::string& sql, const Params& params, std::stop_token stop) {
    auto results = run({View{sql.c_str(), &params}}, !in_transaction_, stop);
    return std::move(results.front());
}

Result Connection::exec(const Statement& statement, std::stop_token stop) {
    auto results = run({view(statement)}, !in_transaction_, stop);
    return std::move(results.front());
}

std::vector<Result> Connection::exec(std::span<const Statement> statements, std::stop_token stop) {
    if (statements.empty()) return {};
    std::vector<View> views;
    for (const auto& statement : statements) views.push_back(view(statement));
    return run(std::move(views), !in_transaction_, stop);
}

Connection::View Connection::view(const Statement& statement) {
    return {statement.sql.c_str(), &statement.params, statement.repeated, statement.in_order};
}

std::vector<SegmentResult> Connection::pipeline(std::span<const Segment> segments, std::stop_token stop) {
    std::vector<std::vector<View>> views(segments.size());
    for (std::size_t i = 0; i < segments.size(); ++i)
        for (const auto& statement : segments[i]) views[i].push_back(view(statement));
    return round_trip(std::move(views), !in_transaction_, stop);
}

std::vector<Result> Connection::run(std::vector<View> statements, bool settles, const std::stop_token& stop) {
    std::vector<std::vector<View>> segments;
    segments.push_back(std::move(statements));
    auto replies = round_trip(std::move(segments), settles, stop);
    if (const auto* error = std::get_if<Error>(&replies.front())) throw *error;
    return std::move(std::get<std::vector<Result>>(replies.front()));
}

std::vector<SegmentResult> Connection::round_trip(std::vector<std::vector<View>> segments, bool settles,
                                                  const std::stop_token& stop) {
    if (segments.empty()) return {};
    if (broken_) throw Error(ErrorClass::connection, "", "the connection is broken");
    if (stop.stop_requested()) throw Error(ErrorClass::cancelled, "", "stopped");
    for (const auto& segment : segments)
        for (const auto& view : segment)
            if (view.params->size() > most_parameters)
                throw Error(ErrorClass::other, "", "a statement has more than 65535 parameters");
    notice_loss_while_idle();

    const auto prologue = std::exchange(prologue_, {});
    std::vector<View> first;
    for (const auto& statement : prologue) first.push_back(view(statement));
    std::vector<std::size_t> expected, added;
    for (auto& segment : segments) {
        const bool repeats =
            std::ranges::any_of(first, &View::repeated) || std::ranges::any_of(segment, &View::repeated);
        if (repeats && !keeping_) keeping_ = find_out_keeping(stop);
        if (const auto found = std::ranges::find_if(segment, &View::in_order); found != segment.end())
            first.push_back({plan_in_order, &no_params, found->repeated});
        else if (repeats && keeping_ == Keeping::pooled && !in_transaction_)  // which says so by itself
            first.push_back({plan_by_index, &no_params, true});
        added.push_back(first.size());
        segment.insert(segment.begin(), first.begin(), first.end());
        first.clear();
        for (auto& view : segment)
            if (view.repeated) view.name = prepared(view.sql, stop);
        expected.push_back(segment.size());
    }

    Replies replies(std::move(expected));
    const auto limit = timeout_.count() > 0 ? timeout_ : options_.statement_timeout;
    const Waiter::Watch watch(waiter_, stop.stop_possible() ? stop : stop_);
    auto loss = send(segments) ? receive(replies, Steady::now() + limit, limit) : lost();
    if (loss) {
        const bool ours = PQstatus(handle_.get()) != CONNECTION_BAD;
        // A farewell of the server (57P01) tells more than the silence after it.
        const auto& said = replies.error();
        if (!ours && said && said->error_class() == ErrorClass::connection) loss = said;
        abandon(*loss, ours);
        // One segment that has failed by itself cannot stand: that is its outcome.
        if (said && said->error_class() != ErrorClass::connection && segments.size() == 1) throw *said;
        if (settles) throw UnknownOutcome(*loss);
        throw *loss;
    }
    if (PQexitPipelineMode(handle_.get()) == 0) abandon(lost(), false);

    auto done = replies.take();
    for (std::size_t i = 0; i < done.size(); ++i)
        if (auto* results = std::get_if<std::vector<Result>>(&done[i]))
            results->erase(results->begin(), results->begin() + static_cast<std::ptrdiff_t>(added[i]));
    for (auto& result : done)
        if (const auto* error = std::get_if<Error>(&result);
            error && is_outdated(*error) && !prepared_.empty()) {
            outdated_ = true;
            result = Error(ErrorClass::transaction, error->sqlstate(), "a prepared statement fits no more");
        }
    // A primary that takes no writes any more: with target_session_attrs the next connect finds the new one.
    for (const auto& result : done)
        if (const auto* error = std::get_if<Error>(&result);
            error && error->error_class() == ErrorClass::read_only && !broken_)
            abandon(*error, false);
    return done;
}

// The name under which `sql` is prepared here, or null where none is kept.
const char* Connection::prepared(const char* sql, const std::stop_token& stop) {
    if (keeping_ == Keeping::none) return nullptr;
    if (const auto found = prepared_.find(sql); found != prepared_.end()) return found->second.c_str();
    const auto name = "memoird_" + std::to_string(prepared_.size());
    run({View{.sql = sql, .params = &no_params, .prepare = name.c_str()}}, false, stop);
    return prepared_.emplace(sql, name).first->second.c_str();
}

// A pooler makes up the process number of its clients' connections; a server tells its own.
bool Connection::reaches_server(const std::stop_token& stop) {
    const auto pid = run({View{"select pg_backend_pid()", &no_params}}, false, stop).front().integer(0, 0);
    return pid == PQbackendPID(handle_.get());
}

// Makes the session ready for it where it is ours alone.
Connection::Keeping Connection::find_out_keeping(const std::stop_token& stop) {
    if (reaches_server(stop)) {
        run({View{session_by_index, &no_params}}, false, stop);
        return Keeping::session;
    }
    try {
        const auto text = Params().add(trial);
        const auto results = run({View{.sql = trial, .params = &no_params, .prepare = trial_name},
                                  View{look_for_trial, &text}, View{end_trial, &no_params}},
                                 false, stop);
        const bool as_it_is = results[1].boolean(0, 0), there = results[1].boolean(0, 1);
        return there && !as_it_is ? Keeping::pooled : Keeping::none;
    } catch (const Error& error) {
        if (broken_ || error.error_class() == ErrorClass::cancelled) throw;
        return Keeping::none;  // a pooler that takes no names at all
    }
}

// Reads while it writes: a server whose replies nobody takes stops reading. Returns why it ended early.
std::optional<Error> Connection::receive(Replies& replies, TimePoint deadline, Milliseconds limit) {
    while (true) {
        const int unsent = PQflush(handle_.get());
        int nulls = 0;
        while (!replies.complete() && PQisBusy(handle_.get()) == 0) {
            PGresult* result = PQgetResult(handle_.get());
            // One null ends each statement; more are a dead connection, or a server that lost count.
            nulls = result == nullptr ? nulls + 1 : 0;
            replies.add(result);
            if (nulls > 2 || PQstatus(handle_.get()) == CONNECTION_BAD) break;
        }
        if (replies.complete()) return std::nullopt;
        if (nulls > 2 || unsent < 0 || PQstatus(handle_.get()) == CONNECTION_BAD) return lost();
        const auto events = static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
        switch (waiter_.wait(socket(), events, deadline)) {
            case Waiter::Woken::ready:
                read_what_is_there();
                break;
            case Waiter::Woken::stop:
                return Error(ErrorClass::cancelled, "", "stopped");
            case Waiter::Woken::deadline:
                return Error(ErrorClass::connection, "",
                             std::string(unanswered) + std::to_string(limit.count()) + " ms");
        }
    }
}

// Hands everything over to libpq's buffer; what the socket does not take now goes out while we read. libpq
// reports a failed write only when it reads, so here only an unusable connection fails.
bool Connection::send(const std::vector<std::vector<View>>& segments) {
    bool taken = PQenterPipelineMode(handle_.get()) == 1;
    for (const auto& segment : segments) {
        for (const auto& view : segment) {
            const auto values = view.params->pointers();
            const auto count = static_cast<int>(values.size());
            if (view.prepare)
                taken = taken && PQsendPrepare(handle_.get(), view.prepare, view.sql, 0, nullptr) == 1;
            else if (view.name)
                taken = taken && PQsendQueryPrepared(handle_.get(), view.name, count, values.data(), nullptr,
                                                     nullptr, 0) == 1;
            else
                taken = taken && PQsendQueryParams(handle_.get(), view.sql, count, nullptr, values.data(),
                                                   nullptr, nullptr, 0) == 1;
        }
        taken = taken && PQpipelineSync(handle_.get()) == 1;
    }
    return taken;
}

// Under TLS libpq may hold a record of which its buffer took only a part, and poll() does not see it. A
// record has at most 16 kB and a read takes at least 8 kB, so three reads leave nothing.
void Connection::read_what_is_there() {
    const int reads = PQsslInUse(handle_.get()) != 0 ? 3 : 1;
    for (int i = 0; i < reads; ++i) {
        PQconsumeInput(handle_.get());  // a failure shows in PQstatus
        if (PQisBusy(handle_.get()) == 0) return;
    }
}

// Before anything is sent: a connection that the server closed meanwhile must not leave an outcome open.
void Connection::notice_loss_while_idle() {
    for (int i = 0; i < 3 && !dismissed_ && readable(socket()); ++i) {
        if (PQconsumeInput(handle_.get()) == 0) dismissed_ = true;
        PQisBusy(handle_.get());  // parses; a farewell arrives as a notice
    }
    if (!dismissed_) return;
    abandon(Error(ErrorClass::connection, "", "the connection was lost while idle"), false);
    throw Error(*loss_);
}

void Connection::abandon(const Error& cause, bool cancel) {
    broken_ = true;
    loss_ = cause;
    if (cancel) cancel_later(CancelHandle(PQgetCancel(handle_.get()), &PQfreeCancel));
    if (socket() >= 0) shutdown(socket(), SHUT_RDWR);
}

void Connection::on_notice(void* self, const PGresult* notice) {
    const char* state = PQresultErrorField(notice, PG_DIAG_SQLSTATE);
    if (state != nullptr && classify(state) == ErrorClass::connection)
        static_cast<Connection*>(self)->dismissed_ = true;
}

bool Connection::reusable() {
    if (broken_ || outdated_ || !prologue_.empty() || PQtransactionStatus(handle_.get()) != PQTRANS_IDLE)
        return false;
    try {
        notice_loss_while_idle();
        return true;
    } catch (const Error&) {
        return false;
    }
}

std::vector<Connection::Notification> Connection::notifications() {
    if (broken_) throw Error(ErrorClass::connection, "", "the connection is broken");
    notice_loss_while_idle();
    std::vector<Notification> list;
    while (auto* raw = PQnotifies(handle_.get())) {
        const std::unique_ptr<PGnotify, decltype(&PQfreemem)> guard(raw, &PQfreemem);
        list.push_back({raw->relname, raw->extra});
    }
    return list;
}

Waiter::Woken Connection::wait_readable(TimePoint until, std::stop_token stop) {
    const Waiter::Watch watch(waiter_, std::move(stop));
    return waiter_.wait(socket(), POLLIN, until);
}

}  // namespace memoir::pg
