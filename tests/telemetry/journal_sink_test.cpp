#include "telemetry/journal_sink.hpp"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <map>
#include <thread>

#include "support/scale.hpp"
#include "support/wait.hpp"
#include "telemetry/catalog.hpp"
#include "telemetry/sink_log.hpp"

using namespace memoir::telemetry;
using memoir::Milliseconds;

namespace {

using Fields = std::map<std::string, std::string>;

// Reads the journal's wire format as its specification describes it: NAME=value, or NAME, eight bytes of
// length, value.
Fields decode(std::string_view entry) {
    Fields fields;
    while (!entry.empty()) {
        const auto end = entry.find_first_of("=\n");
        REQUIRE(end != std::string_view::npos);
        const std::string name(entry.substr(0, end));
        const bool binary = entry[end] == '\n';
        entry.remove_prefix(end + 1);
        std::size_t length = 0;
        if (binary) {
            REQUIRE(entry.size() >= 8);
            for (std::size_t i = 0; i < 8; ++i)
                length |= std::size_t{static_cast<unsigned char>(entry[i])} << 8 * i;
            entry.remove_prefix(8);
        } else {
            length = entry.find('\n');
        }
        REQUIRE(entry.size() > length);
        REQUIRE(entry[length] == '\n');
        REQUIRE(fields.emplace(name, entry.substr(0, length)).second);
        entry.remove_prefix(length + 1);
    }
    return fields;
}

// A journald that takes datagrams only when the test asks for them: else its queue fills up, as that of one
// that is stopped.
class FakeJournald {
  public:
    FakeJournald() {
        char name[] = "/tmp/telemetry.journal.XXXXXX";
        REQUIRE(mkdtemp(name));
        directory_ = name;
        start();
    }
    ~FakeJournald() {
        stop();
        rmdir(directory_.c_str());
    }
    void start() {
        socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path().c_str());
        REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    }
    void stop() {
        close(socket_);
        unlink(path().c_str());
    }
    std::string path() const { return directory_ + "/socket"; }
    // The next entry; empty when none comes within `limit`.
    Fields next(int limit_ms = 30'000) {
        pollfd one{socket_, POLLIN, 0};
        if (poll(&one, 1, limit_ms) <= 0) return {};
        std::string buffer(256 << 10, '\0');
        const auto got = recv(socket_, buffer.data(), buffer.size(), 0);
        REQUIRE(got > 0);
        return decode(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
    }

  private:
    std::string directory_;
    int socket_ = -1;
};

}  // namespace

TEST_CASE("an entry has the fields that operators filter on") {
    const auto fields = decode(journal_entry({{},
                                              {Level::warning,
                                               "memoir.worker.job_failed",
                                               "job failed",
                                               {{"job_id", std::int64_t{42}},
                                                {"kind", "embed"},
                                                {"source_pid", "V1StGXR8_Z5jdHi6B-myT"},
                                                {"duration_ms", 12.5},
                                                {"final", true}}}},
                                             "memoird"));
    CHECK(fields == Fields{{"MESSAGE", "job failed job_id=42 kind=embed"},
                           {"PRIORITY", "4"},
                           {"MESSAGE_ID", std::string(find_event("memoir.worker.job_failed")->id)},
                           {"SYSLOG_IDENTIFIER", "memoird"},
                           {"MEMOIR_EVENT", "memoir.worker.job_failed"},
                           {"MEMOIR_JOB_ID", "42"},
                           {"MEMOIR_KIND", "embed"},
                           {"MEMOIR_SOURCE_PID", "V1StGXR8_Z5jdHi6B-myT"},
                           {"MEMOIR_DURATION_MS", "12.5"},
                           {"MEMOIR_FINAL", "true"}});
}

TEST_CASE("the message alone says which job, why, and what to do") {
    auto fields =
        decode(journal_entry({{},
                              {Level::error,
                               "memoir.worker.aborted",
                               "model.onnx cannot be read",
                               {{"error", "no such file"}, {"hint", "install memoird-local-models"}}}},
                             "memoird"));
    CHECK(fields["MESSAGE"] ==
          "model.onnx cannot be read error=\"no such file\"\nHINT: install memoird-local-models");
    CHECK(fields["MEMOIR_HINT"] == "install memoird-local-models");
}

TEST_CASE("levels become syslog's priorities") {
    const auto priority = [](Level level) {
        return decode(journal_entry({{}, {level, "memoir.worker.status", "m", {}}}, "memoird"))["PRIORITY"];
    };
    CHECK(priority(Level::debug) == "7");
    CHECK(priority(Level::info) == "6");
    CHECK(priority(Level::warning) == "4");
    CHECK(priority(Level::error) == "3");
}

TEST_CASE("no value can bring a field of its own") {
    const std::string value = "x\nPRIORITY=0\nMESSAGE_ID=0";
    auto fields = decode(
        journal_entry({{}, {Level::info, "memoir.worker.status", value, {{"kind", value}}}}, "memoird"));
    CHECK(fields["MESSAGE"].starts_with(value));
    CHECK(fields["MEMOIR_KIND"] == value);
    CHECK(fields["PRIORITY"] == "6");
}

TEST_CASE("bytes that are no text go through as they are") {
    const std::string value("\0\xff\xfe\x1b=", 5);
    auto fields =
        decode(journal_entry({{}, {Level::info, "memoir.worker.status", "m", {{"kind", value}}}}, "memoird"));
    CHECK(fields["MEMOIR_KIND"] == value);
}

TEST_CASE("field names are what journald accepts, and never hide the event's own") {
    const auto fields =
        decode(journal_entry({{},
                              {Level::info,
                               "memoir.worker.status",
                               "m",
                               {{"a-b.c", "1"}, {"event", "2"}, {std::string(100, 'x'), "3"}}}},
                             "memoird"));
    CHECK(fields.contains("MEMOIR_A_B_C"));
    CHECK(fields.at("MEMOIR_EVENT") == "memoir.worker.status");
    CHECK(fields.at("MEMOIR_EVENT_") == "2");
    CHECK(fields.contains("MEMOIR_" + std::string(57, 'X')));
}

TEST_CASE("an entry always fits a datagram") {
    FakeJournald journald;
    JournalSink sink("memoird", journald.path());
    const Stamped large{{},
                        {Level::info,
                         "memoir.worker.status",
                         std::string(5 << 20, 'm'),
                         {{"kind", std::string(1 << 20, 'k')}}}};
    CHECK(sink.write({&large, 1}, {}) == 0);
    CHECK(journald.next()["MESSAGE"].size() == 16 << 10);
}

TEST_CASE("the log delivers every event to a journald that keeps up") {
    const int events = memoir::test::scaled(100'000);
    FakeJournald journald;
    SinkLog log(std::make_unique<JournalSink>("memoird", journald.path()), Level::info);
    std::jthread emitter([&] {
        for (int i = 0; i < events; ++i) {
            log.info("memoir.worker.job_succeeded", "done", {{"job_id", std::int64_t{i}}});
            // No faster than it is written: the bound of the queue is another test's.
            if (i % 10'000 == 9'999) log.flush(Milliseconds(30'000));
        }
    });
    for (int i = 0; i < events; ++i) REQUIRE(journald.next()["MEMOIR_JOB_ID"] == std::to_string(i));
    CHECK(log.dropped() == 0);
}

TEST_CASE("a journald that has stopped reading blocks no emitter, and what it missed is told afterwards") {
    FakeJournald journald;
    SinkLog log(std::make_unique<JournalSink>("memoird", journald.path()), Level::info, {.events = 2'000});
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < 50'000; ++i) log.info("memoir.worker.status", "x");
    CHECK(std::chrono::steady_clock::now() - start < Milliseconds(10'000));
    CHECK(log.dropped() > 0);

    std::uint64_t events = 0, told = 0;
    while (events + told < 50'000) {
        auto entry = journald.next();
        REQUIRE_FALSE(entry.empty());
        if (entry["MEMOIR_EVENT"] == "memoir.log.dropped")
            told += std::stoull(entry["MEMOIR_COUNT"]);
        else
            ++events;
    }
    CHECK(events + told == 50'000);
    CHECK(told == log.dropped());
}

TEST_CASE("a journald whose socket is away for a while gets everything when it is back") {
    FakeJournald journald;
    SinkLog log(std::make_unique<JournalSink>("memoird", journald.path()), Level::info);
    journald.stop();
    for (int i = 0; i < 100; ++i) log.info("memoir.worker.status", std::to_string(i));
    CHECK_FALSE(log.flush(Milliseconds(300)));
    journald.start();
    for (int i = 0; i < 100; ++i) REQUIRE(journald.next()["MESSAGE"] == std::to_string(i));
}

TEST_CASE("the log can be closed while journald has stopped reading") {
    FakeJournald journald;
    const auto start = std::chrono::steady_clock::now();
    {
        SinkLog log(std::make_unique<JournalSink>("memoird", journald.path()), Level::info);
        for (int i = 0; i < 5'000; ++i) log.info("memoir.worker.status", "x");
    }
    CHECK(std::chrono::steady_clock::now() - start < Milliseconds(20'000));
}

TEST_CASE("knows standard error as the journal's only by device and inode") {
    struct stat status {};
    REQUIRE(fstat(STDERR_FILENO, &status) == 0);
    unsetenv("JOURNAL_STREAM");
    CHECK_FALSE(stderr_is_journal());
    setenv("JOURNAL_STREAM", "8:1", 1);  // inherited from a service: not our standard error
    CHECK_FALSE(stderr_is_journal());
    setenv("JOURNAL_STREAM", (std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)).c_str(),
           1);
    CHECK(stderr_is_journal());
    unsetenv("JOURNAL_STREAM");
}
