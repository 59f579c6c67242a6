// Every way in which a model server fails, for each of the three providers, over a real socket: what a job
// gets to hear. The tables of chat_forms_test.cpp say what each body means; here all of it goes through the
// client, the endpoint and the probe that tells a job's fault from the server's.
#include <catch2/catch.hpp>
#include <cstdio>
#include <ctime>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>

#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "model/chat.hpp"
#include "support/http_double.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using namespace memoir::model;
using namespace std::chrono_literals;
using memoir::test::HttpDouble;
using memoir::test::HttpReply;
using memoir::test::HttpRequest;
using nlohmann::json;

namespace {

const std::vector<std::string> providers{"ollama", "openai", "anthropic"};
constexpr auto* answer = R"({"facts":[]})";

HttpReply good_reply(const std::string& provider) {
    if (provider == "ollama")
        return {200, json{{"message", {{"content", answer}}},
                          {"done", true},
                          {"done_reason", "stop"},
                          {"prompt_eval_count", 12},
                          {"eval_count", 7}}
                         .dump()};
    if (provider == "openai") {
        const json choice{{"message", {{"content", answer}}}, {"finish_reason", "stop"}};
        return {200, json{{"choices", json::array({choice})},
                          {"usage", {{"prompt_tokens", 12}, {"completion_tokens", 7}}}}
                         .dump()};
    }
    const json block{{"type", "text"}, {"text", answer}};
    return {200, json{{"content", json::array({block})},
                      {"stop_reason", "end_turn"},
                      {"usage", {{"input_tokens", 12}, {"output_tokens", 7}}}}
                     .dump()};
}

struct Outcome {
    std::string failure;  // "type: reason"; empty: the call succeeded
    std::string hint;
    std::optional<Milliseconds> retry_after;
};

// One call to a server that answers `reply` to it, and well to a probe.
Outcome call(const std::string& provider, const HttpReply& reply, ChatOptions options = {}) {
    test::RecordingLog log;
    HttpDouble server([&](const HttpRequest& request) {
        return request.body.find("ping") != std::string::npos ? good_reply(provider) : reply;
    });
    http::Client client;
    options.provider = provider;
    options.url = server.url();
    options.model = "m";
    const auto chat = make_chat(options, "extraction", client, log);
    const std::string schema = R"({"type":"object","properties":{"facts":{"type":"array"}}})";
    try {
        chat->complete({"rules", "memory", "facts", schema, 1}, {});
        return {};
    } catch (const Failure& failure) {
        Outcome outcome{std::string(to_string(failure.type())) + ": " + failure.reason(), failure.hint, {}};
        if (failure.retry_after)
            outcome.retry_after = std::chrono::duration_cast<Milliseconds>(*failure.retry_after);
        return outcome;
    }
}

HttpReply html(int status) {
    return {status, "<html>SECRET</html>", {{"Content-Type", "text/html"}}};
}

HttpReply changed(const std::string& provider, const std::function<void(HttpReply&)>& change) {
    auto reply = good_reply(provider);
    change(reply);
    return reply;
}

}  // namespace

TEST_CASE("a call that the wire breaks is its job's failure where the server is well otherwise") {
    using Fault = HttpReply::Fault;
    const std::vector<std::pair<Fault, std::string>> faults{
        {Fault::hang, "job: "},  {Fault::stall_headers, "job: "}, {Fault::stall, "job: "},
        {Fault::drip, "job: "},  {Fault::cut, "job: "},           {Fault::reset, "job: "},
        {Fault::close, "job: "}, {Fault::garbage, "blocked: "}};
    // The waits of all of them are shared: most of these calls only run into a time-out.
    std::vector<std::future<Outcome>> calls;
    for (const auto& provider : providers)
        for (const auto& [fault, expected] : faults)
            calls.push_back(std::async(std::launch::async, [provider = provider, fault = fault] {
                ChatOptions options;
                options.timeout = 3s;
                options.silence_timeout = 2s;
                return call(provider,
                            changed(provider,
                                    [&](HttpReply& reply) {
                                        reply.fault = fault;
                                        reply.drip = 1s;
                                    }),
                            options);
            }));
    std::size_t next = 0;
    for (const auto& provider : providers)
        for (const auto& [fault, expected] : faults) {
            INFO(provider << " fault " << static_cast<int>(fault));
            const auto outcome = calls.at(next++).get();
            CHECK(outcome.failure.substr(0, expected.size()) == expected);
        }
}

TEST_CASE("what a status means is the same for each provider") {
    struct Row {
        int status;
        std::string expected, hint;
    };
    const std::vector<Row> rows{{401, "blocked: HTTP 401", "extraction.api_key_file"},
                                {403, "blocked: HTTP 403", "extraction.api_key_file"},
                                {404, "blocked: HTTP 404", "extraction.url"},
                                {408, "job: HTTP 408", ""},
                                {413, "permanent: too long for the model's context", ""},
                                {429, "throttled: HTTP 429", ""},
                                {500, "job: HTTP 500", ""},
                                {502, "outage: HTTP 502", ""},
                                {503, "outage: HTTP 503", ""},
                                {504, "outage: HTTP 504", ""},
                                {529, "throttled: HTTP 529", ""},
                                {200, "job: HTTP 200 without a usable answer", ""}};
    for (const auto& provider : providers)
        for (const auto& row : rows) {
            INFO(provider << " " << row.status);
            const auto outcome = call(provider, html(row.status));
            CHECK(outcome.failure == row.expected);
            CHECK(outcome.hint.find(row.hint) != std::string::npos);
        }
}

TEST_CASE("a memory that is too long for the model fails at once, in each provider's words") {
    const std::vector<std::pair<std::string, std::string>> bodies{
        {"ollama", R"({"error":"the input length exceeds the context length"})"},
        {"openai", R"({"error":{"message":"SECRET","code":"context_length_exceeded"}})"},
        {"openai", R"({"error":{"message":"SECRET","type":"exceed_context_size_error","code":400}})"},
        {"anthropic",
         R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: SECRET"}})"}};
    for (const auto& [provider, body] : bodies) {
        INFO(provider << " " << body);
        CHECK(call(provider, {400, body}).failure == "permanent: too long for the model's context");
    }
}

TEST_CASE("every form of Retry-After is the time that a throttled call names") {
    const auto in_a_minute = std::time(nullptr) + 60;
    std::tm parts{};
    char date[64];
    std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", ::gmtime_r(&in_a_minute, &parts));
    struct Row {
        std::string name, value;
        Milliseconds least, most;
    };
    // A second is given to the date's rounding, twenty to a machine that is busy.
    const std::vector<Row> rows{{"Retry-After", "7", 6s, 7s},
                                {"Retry-After", "2.5", 2s, 2500ms},
                                {"Retry-After", date, 40s, 61s},
                                {"retry-after-ms", "1500", 1s, 1500ms}};
    for (const auto& provider : providers) {
        for (const auto& row : rows) {
            INFO(provider << " " << row.name << ": " << row.value);
            const auto outcome = call(provider, {429, "{}", {{row.name, row.value}}});
            CHECK(outcome.failure == "throttled: HTTP 429");
            REQUIRE(outcome.retry_after);
            CHECK(*outcome.retry_after >= row.least);
            CHECK(*outcome.retry_after <= row.most);
        }
        CHECK(call(provider, {503, "{}", {{"Retry-After", "7"}}}).failure == "throttled: HTTP 503");
    }
}

TEST_CASE("a redirect is a wrong URL for each provider, and its target hears nothing") {
    for (const auto& provider : providers)
        for (const int status : {301, 302, 303, 307, 308}) {
            INFO(provider << " " << status);
            HttpDouble other([&](const HttpRequest&) { return good_reply(provider); });
            const auto outcome = call(
                provider, {status, "", {{"Location", "http://localhost:" + std::to_string(other.port())}}});
            CHECK(outcome.failure.starts_with("blocked: "));
            CHECK(outcome.hint.find("extraction.url") != std::string::npos);
            CHECK(other.requests().empty());
        }
}

TEST_CASE("an odd wrapping of a good answer does not matter, an endless one is not taken in") {
    for (const auto& provider : providers) {
        INFO(provider);
        CHECK(call(provider, changed(provider, [](HttpReply& reply) { reply.chunked = true; })).failure ==
              "");
        CHECK(call(provider, changed(provider,
                                     [](HttpReply& reply) {
                                         reply.headers = {{"Content-Type", "text/plain"}};
                                     }))
                  .failure == "");
        CHECK(call(provider, {200, std::string(100 << 20, ' ')}).failure.starts_with("job: "));
    }
}

TEST_CASE("an answer that nests without end is read no deeper than any of ours is") {
    const std::string deep = std::string(1'500'000, '[') + std::string(1'500'000, ']');
    const auto within = [&](std::string body, const std::string& place) {
        return HttpReply{200, body.replace(body.find(place), place.size(), deep)};
    };
    for (const auto& provider : providers) {
        INFO(provider);
        CHECK(call(provider, {200, deep}).failure.starts_with("job: "));
        const auto body = good_reply(provider).body;
        CHECK(call(provider, within(body, json(answer).dump())).failure.starts_with("job: "));
    }
    const json tool{{"type", "tool_use"}, {"name", "facts"}, {"input", "here"}};
    const json reply{{"content", json::array({tool})},
                     {"stop_reason", "tool_use"},
                     {"usage", {{"input_tokens", 12}, {"output_tokens", 7}}}};
    call("anthropic", within(reply.dump(), "\"here\""));
}

TEST_CASE("gzip that nobody asked for is read where it is some, else it is no answer") {
    for (const auto& provider : providers) {
        INFO(provider);
        const auto gzipped = [](HttpReply& reply) {
            FILE* pipe = popen(("printf %s '" + reply.body + "' | gzip -n").c_str(), "r");
            REQUIRE(pipe);
            reply.body.clear();
            char part[4096];
            for (std::size_t got; (got = fread(part, 1, sizeof part, pipe)) > 0;)
                reply.body.append(part, got);
            pclose(pipe);
        };
        const auto named = [](HttpReply& reply) { reply.headers = {{"Content-Encoding", "gzip"}}; };
        CHECK(call(provider, changed(provider,
                                     [&](HttpReply& reply) {
                                         gzipped(reply);
                                         named(reply);
                                     }))
                  .failure == "");
        CHECK(call(provider, changed(provider, gzipped)).failure.starts_with("job: "));
        CHECK(call(provider, changed(provider, named)).failure.starts_with("job: "));
    }
}
