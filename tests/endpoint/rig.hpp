#pragma once
// An endpoint in front of the HTTP double, with a clock that stands still.

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "endpoint/classify.hpp"
#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "support/fake_clock.hpp"
#include "support/http_double.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"

namespace memoir::test {

struct Rig {
    explicit Rig(
        HttpDouble::Handler handler = [](const HttpRequest&) { return HttpReply{}; }, int max_concurrent = 0,
        int unproven = 0)
        : server(std::move(handler)),
          endpoint(
              {"qdrant", max_concurrent, "vector.url, vector.api_key_file", unproven},
              [this](endpoint::Nature nature, std::stop_token stop) {
                  exchange(nature == endpoint::Nature::write ? "/probe/write" : "/probe/read", stop);
              },
              log, clock) {}

    FakeClock clock;
    RecordingLog log;
    http::Client client;
    HttpDouble server;
    Milliseconds timeout = std::chrono::seconds(20);
    endpoint::Endpoint endpoint;

    // One request, classified as providers do it.
    void exchange(const std::string& path, std::stop_token stop = {}) {
        http::Request request;
        request.url = server.url() + path;
        request.timeout = timeout;
        request.silence_timeout = timeout / 2;
        const auto response = client.send(request, stop);
        if (response.status == 200) return;
        endpoint::Answer answer;
        answer.status = response.status;
        answer.retry_after = http::retry_after(response, std::chrono::system_clock::now());
        throw endpoint::classify(answer);
    }

    void call(const std::string& path = "/work", std::stop_token stop = {},
              endpoint::Nature nature = endpoint::Nature::read) {
        endpoint.call(nature, stop, [&] { exchange(path, stop); });
    }

    // The failure of a call that has to fail.
    Failure failure(const std::string& path = "/work", std::stop_token stop = {},
                    endpoint::Nature nature = endpoint::Nature::read) {
        try {
            call(path, stop, nature);
        } catch (const Failure& caught) {
            return caught;
        }
        FAIL("the call succeeded");
        return Failure(FailureType::job, "");
    }

    std::size_t requests(const std::string& prefix) const {
        std::size_t count = 0;
        for (const auto& request : server.requests()) count += request.target.starts_with(prefix);
        return count;
    }
    std::size_t probes() const { return requests("/probe"); }
    std::size_t jobs() const { return server.requests().size() - probes(); }

    void pass_time_to_probe() { clock.advance(endpoint.snapshot().next_probe); }
};

}  // namespace memoir::test
