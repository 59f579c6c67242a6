#include "telemetry/stream_sink.hpp"

#include <poll.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "telemetry/sink_log.hpp"

using namespace memoir::telemetry;
using memoir::Milliseconds;

namespace {

// A pipe in standard error's place: whoever reads a service's lines.
struct Pipe {
    Pipe() {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        reader = ends[0];
        stream = fdopen(ends[1], "w");
        REQUIRE(stream);
    }
    ~Pipe() {
        hang_up();
        close(reader);
    }
    void hang_up() {
        if (stream) std::fclose(std::exchange(stream, nullptr));
    }
    // All that is there now, and what comes until the writer hangs up.
    std::string rest() {
        std::string text;
        char buffer[4096];
        for (ssize_t got = 0; (got = ::read(reader, buffer, sizeof buffer)) > 0;)
            text.append(buffer, static_cast<std::size_t>(got));
        return text;
    }
    int reader = -1;
    std::FILE* stream = nullptr;
};

std::vector<std::string> lines(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> all;
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    return all;
}

}  // namespace

TEST_CASE("writes a JSON line an event, in order, through a pipe") {
    Pipe pipe;
    std::jthread emitter([&] {
        {
            SinkLog log(std::make_unique<StreamSink>(pipe.stream, Lines::json), Level::info);
            for (int i = 0; i < 10'000; ++i)
                log.info("memoir.worker.status", "line\nbreak",
                         {{"n", std::int64_t{i}}, {"bytes", "\xff\r\n"}});
            log.info("memoir.worker.exited",
                     std::string(100'000, 'x'));  // longer than the pipe takes at once
        }
        pipe.hang_up();
    });
    const auto all = lines(pipe.rest());
    REQUIRE(all.size() == 10'001);
    for (std::size_t i = 0; i < 10'000; ++i) REQUIRE(nlohmann::json::parse(all[i])["n"] == i);
    CHECK(nlohmann::json::parse(all.back())["message"].get<std::string>().size() == 100'000);
}

TEST_CASE("writes text without a percent sign or brace meaning anything") {
    Pipe pipe;
    {
        SinkLog(std::make_unique<StreamSink>(pipe.stream, Lines::text), Level::info)
            .info("memoir.worker.status", "100 % {} %v %s");
    }
    pipe.hang_up();
    CHECK(pipe.rest().find(" info    100 % {} %v %s event=memoir.worker.status\n") != std::string::npos);
}

TEST_CASE("a reader that has stopped reading blocks no emitter and no end") {
    Pipe pipe;
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t dropped = 0;
    {
        SinkLog log(std::make_unique<StreamSink>(pipe.stream, Lines::text), Level::info, {.events = 1'000});
        for (int i = 0; i < 50'000; ++i) log.info("memoir.worker.status", std::string(100, 'x'));
        dropped = log.dropped();
    }
    CHECK(std::chrono::steady_clock::now() - start < Milliseconds(20'000));
    CHECK(dropped > 40'000);
    pipe.hang_up();
    CHECK(pipe.rest().size() >= 4'096);
}

TEST_CASE("a reader that is gone costs the events and nothing else") {
    Pipe pipe;
    close(pipe.reader);
    SinkLog log(std::make_unique<StreamSink>(pipe.stream, Lines::text), Level::info);
    log.info("memoir.worker.status", "x");
    CHECK(log.flush(Milliseconds(30'000)));
    CHECK(log.dropped() == 1);
}
