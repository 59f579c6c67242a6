// The chat client over real sockets: what is remembered, cancelled, charged, reported.
#include "model/chat.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "support/http_double.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"

using namespace memoir;
using namespace memoir::model;
using namespace std::chrono_literals;
using memoir::test::HttpDouble;
using memoir::test::HttpReply;
using memoir::test::HttpRequest;
using nlohmann::json;

namespace {

const std::string schema = R"({"type":"object","properties":{"facts":{"type":"array"}}})";
const std::string answer = R"({"facts":[]})";

ChatRequest request_of(std::string user = "SECRET memory", int attempt = 1) {
    return {"SECRET rules", std::move(user), "facts", schema, attempt};
}

HttpReply ollama_reply(const std::string& text = answer, const std::string& why = "stop") {
    return {200, json{{"message", {{"content", text}}},
                      {"done", true},
                      {"done_reason", why},
                      {"prompt_eval_count", 12},
                      {"eval_count", 4096}}
                     .dump()};
}

HttpReply openai_reply(const std::string& text = answer) {
    const json choice{{"message", {{"content", text}}}, {"finish_reason", "stop"}};
    return {200, json{{"choices", json::array({choice})},
                      {"usage", {{"prompt_tokens", 12}, {"completion_tokens", 7}}}}
                     .dump()};
}

HttpReply anthropic_reply(const std::string& text = answer) {
    const json block{{"type", "text"}, {"text", text}};
    return {200, json{{"content", json::array({block})},
                      {"stop_reason", "end_turn"},
                      {"usage", {{"input_tokens", 12}, {"output_tokens", 7}}}}
                     .dump()};
}

bool is_probe(const HttpRequest& request) {
    return request.body.find("ping") != std::string::npos;
}

// A provider's client against a double; HttpDouble first, so that the client's connections end before it.
struct Setup {
    explicit Setup(HttpDouble::Handler handler, const std::string& provider = "ollama",
                   ChatOptions options = {})
        : server(std::move(handler)) {
        options.provider = provider;
        options.url = server.url();
        options.model = "m";
        options.api_key = Secret("KEY-1");
        chat = make_chat(options, "extraction", client, log);
    }
    // The failure of one call as "type: reason"; empty: it succeeded.
    std::string failure(const ChatRequest& request = request_of(), std::stop_token stop = {}) {
        try {
            chat->complete(request, stop);
            return {};
        } catch (const Failure& error) {
            last = error;
            return std::string(to_string(error.type())) + ": " + error.reason();
        }
    }
    json sent(std::size_t index) const { return json::parse(server.requests().at(index).body); }
    std::size_t calls() const {
        std::size_t count = 0;
        for (const auto& request : server.requests()) count += is_probe(request) ? 0 : 1;
        return count;
    }

    test::RecordingLog log;
    HttpDouble server;
    http::Client client;
    std::unique_ptr<Chat> chat;
    std::optional<Failure> last;
};

}  // namespace

TEST_CASE("each provider's reply comes back with its usage, and the call is an event") {
    for (const auto& [provider, reply] : {std::pair<std::string, HttpReply>("ollama", ollama_reply()),
                                          {"openai", openai_reply()},
                                          {"anthropic", anthropic_reply()}}) {
        INFO(provider);
        Setup setup([reply = reply](const HttpRequest&) { return reply; }, provider);
        const auto result = setup.chat->complete(request_of(), {});
        CHECK(result.text == answer);
        CHECK(result.tokens_in == 12);
        CHECK(setup.chat->provider() == provider);
        CHECK(setup.chat->model() == "m");
        const auto events = setup.log.named("memoir.llm.call");
        REQUIRE(events.size() == 1);
        CHECK(events[0].level == telemetry::Level::info);
        CHECK(events[0].field("provider") == provider);
        CHECK(events[0].field("model") == "m");
        CHECK(events[0].field("tokens_in") == "12");
        CHECK(events[0].field("tokens_out") == std::to_string(result.tokens_out));
        CHECK(events[0].field("http_status") == "200");
        CHECK_FALSE(events[0].field("duration_ms").empty());
    }
}

TEST_CASE("no event holds a prompt, a reply, a server's text or the key") {
    Setup setup([](const HttpRequest& request) -> HttpReply {
        if (request.body.find("refuse") != std::string::npos) return {400, R"({"error":"SECRET refused"})"};
        if (request.body.find("break") != std::string::npos) return {500, R"({"error":"SECRET broke"})"};
        return ollama_reply("SECRET reply");
    });
    setup.failure();
    setup.failure(request_of("SECRET refuse"));
    setup.failure(request_of("SECRET break"));
    CHECK(setup.log.events().size() >= 4);
    for (const auto& event : setup.log.events()) {
        CHECK(event.message.find("SECRET") == std::string::npos);
        for (const auto& [name, value] : event.fields) {
            CHECK(value.find("SECRET") == std::string::npos);
            CHECK(value.find("KEY-1") == std::string::npos);
        }
    }
    CHECK(setup.last->reason().find("SECRET") == std::string::npos);
}

TEST_CASE("what a server refuses is changed within the call and remembered for the next") {
    Setup setup(
        [](const HttpRequest& request) -> HttpReply {
            const auto body = json::parse(request.body);
            if (body.contains("max_tokens"))
                return {400,
                        R"({"error":{"message":"no","param":"max_tokens","code":"unsupported_parameter"}})"};
            if (body.contains("temperature"))
                return {400,
                        R"({"error":{"message":"no","param":"temperature","code":"unsupported_value"}})"};
            if (body.contains("response_format") && body["response_format"]["type"] == "json_schema")
                return {422, R"({"error":{"message":"no","param":"response_format"}})"};
            return openai_reply();
        },
        "openai");
    CHECK(setup.failure() == "");
    CHECK(setup.calls() == 4);
    CHECK(setup.failure() == "");
    CHECK(setup.calls() == 5);
    const auto last = setup.sent(4);
    CHECK(last.contains("max_completion_tokens"));
    CHECK(last["response_format"]["type"] == "json_object");
    CHECK(setup.chat->endpoint().snapshot().failures == 0);
    CHECK(setup.log.count("memoir.breaker.opened") == 0);
}

TEST_CASE("what a server refuses without a word is tried, and remembered when three memories needed it") {
    Setup setup(
        [](const HttpRequest& request) -> HttpReply {
            if (is_probe(request) || !json::parse(request.body).contains("response_format"))
                return openai_reply();
            return {422, "{}"};
        },
        "openai");
    for (const auto* memory : {"a", "b", "b", "c"}) CHECK(setup.failure(request_of(memory)) == "");
    CHECK(setup.calls() == 4 * 3);
    CHECK(setup.failure(request_of("d")) == "");
    CHECK(setup.calls() == 4 * 3 + 1);
}

TEST_CASE("a form that was only tried is not remembered when the call fails all the same") {
    Setup setup(
        [](const HttpRequest& request) -> HttpReply {
            if (request.body.find("poison") != std::string::npos) return {400, "{}"};
            return openai_reply();
        },
        "openai");
    CHECK(setup.failure(request_of("poison")) == "permanent: HTTP 400");
    CHECK(setup.calls() == 3);
    CHECK(setup.failure() == "");
    CHECK(setup.sent(4)["response_format"]["type"] == "json_schema");  // after a probe
    SECTION("and once the schema has worked a 400 is final at once") {
        CHECK(setup.failure(request_of("poison")) == "permanent: HTTP 400");
        CHECK(setup.calls() == 5);
    }
}

TEST_CASE("a server that takes a schema and answers in prose is asked more simply, and that is remembered") {
    const auto prose = "Sure, here are the facts.";
    const auto form_of = [](const json& sent) {
        if (sent.contains("output_config")) return "schema";
        return sent.contains("tools") ? "tool" : "none";
    };
    SECTION("until it answers in JSON") {
        Setup setup(
            [&](const HttpRequest& request) {
                const bool simple = form_of(json::parse(request.body)) == std::string("none");
                return anthropic_reply(simple ? answer : prose);
            },
            "anthropic");
        CHECK(setup.failure(request_of("a")) == "");
        REQUIRE(setup.calls() == 3);
        CHECK(form_of(setup.sent(0)) == std::string("schema"));
        CHECK(form_of(setup.sent(1)) == std::string("tool"));
        const auto rules = setup.sent(2)["system"][0]["text"].get<std::string>();
        CHECK(rules.find(schema) != rules.npos);
        CHECK(setup.log.count("memoir.llm.call") == 3);  // each with its usage, for each was paid
        for (const auto* memory : {"b", "c", "d"}) CHECK(setup.failure(request_of(memory)) == "");
        CHECK(setup.calls() == 3 * 3 + 1);
        CHECK(form_of(setup.sent(9)) == std::string("none"));
    }
    SECTION("past a tool that the model cannot use") {
        Setup setup(
            [&](const HttpRequest& request) -> HttpReply {
                if (form_of(json::parse(request.body)) == std::string("tool"))
                    return {
                        400,
                        R"({"type":"error","error":{"type":"invalid_request_error","message":"m does not support tools"}})"};
                return anthropic_reply(prose);
            },
            "anthropic");
        CHECK(setup.failure() == "");
        CHECK(form_of(setup.sent(setup.calls() - 1)) == std::string("none"));
    }
    SECTION(
        "once and for all after three memories: then a model that never writes JSON costs one call each") {
        Setup setup([&](const HttpRequest&) { return anthropic_reply(prose); }, "anthropic");
        for (const auto* memory : {"a", "a", "b", "c", "d"}) CHECK(setup.failure(request_of(memory)) == "");
        CHECK(setup.calls() == 4 * 3 + 1);
        CHECK(form_of(setup.sent(setup.calls() - 1)) == std::string("none"));
    }
    SECTION("but not for one odd memory before the schema has worked") {
        Setup setup(
            [&](const HttpRequest& request) {
                return anthropic_reply(request.body.find("odd") == std::string::npos ? answer : prose);
            },
            "anthropic");
        for (int attempt = 1; attempt <= 3; ++attempt) CHECK(setup.failure(request_of("odd", attempt)) == "");
        CHECK(setup.calls() == 9);
        CHECK(setup.failure() == "");
        CHECK(form_of(setup.sent(9)) == std::string("schema"));
        CHECK(setup.failure(request_of("odd")) == "");
        CHECK(setup.calls() == 11);
    }
    SECTION("nor where the schema worked for others in the meantime") {
        std::promise<void> proven;
        auto others = proven.get_future().share();
        Setup setup(
            [&](const HttpRequest& request) {
                const bool odd = request.body.find("odd") != std::string::npos;
                if (odd) others.wait();
                return anthropic_reply(odd ? prose : answer);
            },
            "anthropic");
        auto odd = std::async(std::launch::async, [&] { return setup.failure(request_of("odd")); });
        CHECK(test::eventually([&] { return setup.calls() == 1; }));
        CHECK(setup.failure() == "");
        proven.set_value();
        CHECK(odd.get() == "");
        CHECK(setup.calls() == 2);
    }
    SECTION("but not once the schema has worked there: then it is that one reply that is bad") {
        Setup setup(
            [&](const HttpRequest& request) {
                return anthropic_reply(request.body.find("odd") == std::string::npos ? answer : prose);
            },
            "anthropic");
        CHECK(setup.failure() == "");
        CHECK(setup.failure(request_of("odd")) == "");
        CHECK(setup.calls() == 2);
    }
    SECTION("nor for a reply that was cut or refused, which says nothing of the schema") {
        Setup setup([&](const HttpRequest&) { return ollama_reply("Well", "length"); });
        CHECK(setup.failure() == "job: reply cut at the output budget of 4096 tokens");
        CHECK(setup.calls() == 1);
        CHECK(setup.failure() != "");
        CHECK(setup.sent(1)["format"].is_object());
    }
}

TEST_CASE("a prompt too long for the context that was guessed is sent again with more") {
    Setup setup([](const HttpRequest& request) -> HttpReply {
        if (!is_probe(request) && json::parse(request.body)["options"]["num_ctx"] < 32768)
            return {400, R"({"error":"the input length exceeds the context length"})"};
        return ollama_reply();
    });
    CHECK(setup.failure(request_of(std::string(20'000, 'x'))) == "");
    CHECK(setup.calls() == 2);
    SECTION("which the next call does not inherit") {
        CHECK(setup.failure(request_of("short")) == "permanent: too long for the model's context");
        CHECK(setup.sent(2)["options"]["num_ctx"] == 8192);
    }
}

TEST_CASE("a cut reply fails the job and not the endpoint") {
    Setup setup([](const HttpRequest&) { return ollama_reply("{\"facts\":[", "length"); });
    CHECK(setup.failure() == "job: reply cut at the output budget of 4096 tokens");
    CHECK(setup.chat->endpoint().allows_claims());
    CHECK(setup.log.named("memoir.llm.call").at(0).field("outcome") ==
          "reply cut at the output budget of 4096 tokens");
}

TEST_CASE("an outage opens the breaker, and further calls do not reach the server") {
    Setup setup([](const HttpRequest&) -> HttpReply { return {503, "{}"}; });
    CHECK(setup.failure() == "outage: HTTP 503");
    CHECK(setup.failure() == "outage: HTTP 503");
    CHECK(setup.calls() == 1);
    CHECK(setup.last->endpoint == "extraction");
    CHECK_FALSE(setup.chat->endpoint().allows_claims());
}

TEST_CASE("a server that is not there is an outage, nothing that a job did") {
    Setup setup([](const HttpRequest&) { return ollama_reply(); });
    setup.server.stop();
    CHECK(setup.failure().starts_with("outage: "));
}

TEST_CASE("billing and credentials block with a hint that names the setting") {
    Setup billing(
        [](const HttpRequest&) -> HttpReply {
            return {429, R"({"error":{"type":"insufficient_quota","message":"SECRET"}})"};
        },
        "openai");
    CHECK(billing.failure() == "blocked: HTTP 429 (insufficient_quota)");
    CHECK(billing.last->hint.starts_with("billing"));
    Setup key([](const HttpRequest&) -> HttpReply { return {401, "{}"}; }, "anthropic");
    CHECK(key.failure() == "blocked: HTTP 401");
    CHECK(key.last->hint.find("extraction.api_key_file") != std::string::npos);
}

TEST_CASE("a throttled call names the server's time") {
    Setup setup(
        [](const HttpRequest&) -> HttpReply {
            return {429, "{}", {{"Retry-After", "7"}}};
        },
        "openai");
    CHECK(setup.failure() == "throttled: HTTP 429");
    REQUIRE(setup.last->retry_after);
    CHECK(*setup.last->retry_after > 5s);
    CHECK(*setup.last->retry_after <= 7s);
}

TEST_CASE("rate limits in the headers of a success hold back the next call") {
    Setup setup(
        [](const HttpRequest&) {
            auto reply = openai_reply();
            reply.headers = {{"x-ratelimit-limit-requests", "10"},
                             {"x-ratelimit-remaining-requests", "0"},
                             {"x-ratelimit-reset-requests", "1h"}};
            return reply;
        },
        "openai");
    CHECK(setup.failure() == "");
    CHECK_FALSE(setup.chat->endpoint().allows_claims());
    CHECK(setup.failure().starts_with("throttled: "));
    CHECK(setup.calls() == 1);
}

TEST_CASE("the probe is a fixed word in the form of the work, and any reply of a model will do") {
    const auto cut = [](std::string body) -> HttpReply {
        for (const auto* end : {"\"stop\"", "\"end_turn\""})
            if (const auto at = body.find(end); at != body.npos)
                body.replace(at, std::string(end).size(), "\"length\"");
        return {200, body};
    };
    const std::map<std::string, HttpReply> replies{{"ollama", cut(ollama_reply("p").body)},
                                                   {"openai", cut(openai_reply("").body)},
                                                   {"anthropic", cut(anthropic_reply("").body)}};
    for (const auto& [provider, reply] : replies) {
        INFO(provider);
        Setup setup([&reply = reply](const HttpRequest&) { return reply; }, provider);
        CHECK(setup.chat->endpoint().probe_if_due({}, true));
        REQUIRE(setup.server.requests().size() == 1);
        const auto body = setup.sent(0);
        CHECK(body["messages"].back()["content"] == "ping");
        const auto budget = body.contains("options") ? body["options"]["num_predict"] : body["max_tokens"];
        CHECK(budget == 16);
        // What may be refused of a job's request is in it, too.
        REQUIRE_FALSE(setup.failure().empty());
        const auto work = setup.sent(1);
        for (const auto& [key, value] : work.items()) CHECK(body.contains(key));
        if (body.contains("temperature")) CHECK(body["temperature"] == work["temperature"]);
        CHECK(setup.log.named("memoir.llm.call").at(0).level == telemetry::Level::debug);
    }
}

TEST_CASE("a server that answers everything with something else is no model, and no job's fault") {
    for (const auto* provider : {"ollama", "openai", "anthropic"}) {
        for (const auto* body : {"<html>SECRET</html>", R"({"error":"SECRET"})", "", "[]"}) {
            INFO(provider << ' ' << body);
            Setup setup([body](const HttpRequest&) -> HttpReply { return {200, body}; }, provider);
            CHECK(setup.failure() == "outage: HTTP 200 without a usable answer");
            CHECK_FALSE(setup.chat->endpoint().allows_claims());
        }
    }
}

TEST_CASE("a server that refuses even the probe for what it is names the settings") {
    for (const auto* provider : {"ollama", "openai", "anthropic"}) {
        INFO(provider);
        Setup setup(
            [](const HttpRequest&) -> HttpReply {
                return {400, R"({"error":{"message":"Model Not Exist"}})"};
            },
            provider);
        CHECK_FALSE(setup.chat->endpoint().probe_if_due({}, true));
        const auto shown = setup.chat->endpoint().snapshot();
        CHECK(shown.why == FailureType::blocked);
        CHECK(shown.hint.find("extraction.model") != std::string::npos);
    }
    SECTION("but for the few tokens of a model that reasons first") {
        Setup setup(
            [](const HttpRequest&) -> HttpReply {
                return {
                    400,
                    R"({"error":{"message":"Could not finish the message because max_tokens or model output limit was reached."}})"};
            },
            "openai");
        CHECK(setup.chat->endpoint().probe_if_due({}, true));
    }
}

TEST_CASE("a probe learns what the server refuses, too") {
    Setup setup(
        [](const HttpRequest& request) -> HttpReply {
            if (json::parse(request.body).contains("max_tokens"))
                return {400, R"({"error":{"message":"no","param":"max_tokens"}})"};
            return openai_reply();
        },
        "openai");
    CHECK(setup.chat->endpoint().probe_if_due({}, true));
    CHECK(setup.failure() == "");
    CHECK(setup.server.requests().size() == 3);
}

TEST_CASE("a 500 is the job's when the probe passes, else an outage") {
    bool healthy = true;
    Setup setup([&healthy](const HttpRequest& request) -> HttpReply {
        if (healthy && is_probe(request)) return ollama_reply();
        return {500, R"({"error":"model runner has unexpectedly stopped"})"};
    });
    CHECK(setup.failure() == "job: HTTP 500");
    healthy = false;
    CHECK(setup.failure() == "outage: HTTP 500");
}

TEST_CASE("what breaks on the wire is an outage when nothing works, whichever way it breaks") {
    using Fault = HttpReply::Fault;
    for (const auto fault :
         {Fault::hang, Fault::cut, Fault::reset, Fault::stall, Fault::close, Fault::stall_headers}) {
        INFO(static_cast<int>(fault));
        ChatOptions options;
        options.timeout = 400ms;
        options.silence_timeout = 100ms;
        Setup setup(
            [fault](const HttpRequest&) {
                auto reply = ollama_reply();
                reply.fault = fault;
                return reply;
            },
            "ollama", options);
        CHECK(setup.failure().starts_with("outage: "));
    }
}

TEST_CASE("a reply that drips is given the time of one call and no more") {
    ChatOptions options;
    options.timeout = 300ms;
    options.silence_timeout = 200ms;
    Setup setup(
        [](const HttpRequest&) {
            auto reply = ollama_reply();
            reply.fault = HttpReply::Fault::drip;
            reply.drip = 50ms;
            return reply;
        },
        "ollama", options);
    const auto begin = std::chrono::steady_clock::now();
    CHECK(setup.failure().starts_with("outage: "));
    CHECK(std::chrono::steady_clock::now() - begin < 5s);
}

TEST_CASE("a server that does not speak HTTP is a wrong URL") {
    Setup setup([](const HttpRequest&) {
        HttpReply reply;
        reply.fault = HttpReply::Fault::garbage;
        return reply;
    });
    CHECK(setup.failure().starts_with("blocked: "));
    CHECK(setup.last->hint.find("extraction.url") != std::string::npos);
}

TEST_CASE("odd but valid answers are read, odd and invalid ones are not") {
    Setup setup([](const HttpRequest&) {
        auto reply = ollama_reply();
        reply.chunked = true;
        reply.headers = {{"Content-Type", "text/plain"}};
        return reply;
    });
    CHECK(setup.failure() == "");
    setup.server.handle([](const HttpRequest&) -> HttpReply { return {200, "<html>SECRET</html>"}; });
    CHECK(setup.failure().find("HTTP 200 without a usable answer") != std::string::npos);
}

TEST_CASE("an answer of many megabytes is not taken in") {
    Setup setup([](const HttpRequest& request) -> HttpReply {
        if (is_probe(request)) return ollama_reply();
        return {200, std::string(20 << 20, ' ')};
    });
    CHECK(setup.failure().starts_with("job: "));
}

TEST_CASE("a redirect to another host is not followed: the URL is wrong") {
    HttpDouble other([](const HttpRequest&) { return ollama_reply(); });
    Setup setup([&](const HttpRequest&) -> HttpReply {
        return {307, "", {{"Location", "http://localhost:" + std::to_string(other.port()) + "/api/chat"}}};
    });
    CHECK(setup.failure().starts_with("blocked: "));
    CHECK(other.requests().empty());
}

TEST_CASE("a call in flight ends at once when it is cancelled") {
    Setup setup([](const HttpRequest&) {
        HttpReply reply;
        reply.fault = HttpReply::Fault::hang;
        return reply;
    });
    std::stop_source stop;
    auto call = std::async(std::launch::async, [&] { return setup.failure(request_of(), stop.get_token()); });
    REQUIRE(test::eventually([&] { return !setup.server.requests().empty(); }));
    const auto begin = std::chrono::steady_clock::now();
    stop.request_stop();
    CHECK(call.get().starts_with("cancelled: "));
    const auto took = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin);
    std::cout << "chat: cancelled within " << took.count() << " ms\n";
    CHECK(took < 5s);  // 50 ms are asked for of an idle machine, the call's time-out is 120 s
}

TEST_CASE("calls one after the other share a connection") {
    Setup setup([](const HttpRequest&) { return ollama_reply(); });
    for (int i = 0; i < 5; ++i) CHECK(setup.failure() == "");
    CHECK(setup.server.connections() == 1);
}

TEST_CASE("the identity of a request depends on what decides the reply, not on the attempt or its form") {
    test::RecordingLog log;
    http::Client client;
    const auto identity = [&](const std::string& provider, const std::string& url, const std::string& model,
                              const ChatRequest& request, int budget = 4096) {
        ChatOptions options;
        options.provider = provider;
        options.url = url;
        options.model = model;
        options.max_output_tokens = budget;
        return make_chat(options, "extraction", client, log)->identity(request);
    };
    const auto base = identity("openai", "http://a", "m", request_of());
    CHECK(base.size() == 64);
    CHECK(identity("openai", "http://a", "m", request_of("SECRET memory", 2)) == base);
    CHECK(identity("openai", "http://b", "m", request_of()) != base);
    CHECK(identity("openai", "http://a", "n", request_of()) != base);
    CHECK(identity("ollama", "http://a", "m", request_of()) != base);
    CHECK(identity("openai", "http://a", "m", request_of("other")) != base);
    CHECK(identity("openai", "http://a", "m", request_of(), 100) != base);
    auto other = request_of();
    other.stable = "other";
    CHECK(identity("openai", "http://a", "m", other) != base);

    Setup setup(
        [](const HttpRequest& request) -> HttpReply {
            if (json::parse(request.body).contains("temperature"))
                return {400, R"({"error":{"param":"temperature","message":"x"}})"};
            return openai_reply();
        },
        "openai");
    const auto before = setup.chat->identity(request_of());
    CHECK(setup.failure() == "");
    CHECK(setup.chat->identity(request_of()) == before);
}

TEST_CASE("the defaults of each provider are the contract's") {
    ChatOptions options;
    CHECK(chat_url(options) == "http://localhost:11434");
    CHECK(chat_model(options) == "llama3.2:1b");
    options.provider = "openai";
    CHECK(chat_url(options) == "https://api.openai.com/v1");
    CHECK(chat_model(options) == "gpt-4o-mini");
    options.provider = "anthropic";
    CHECK(chat_model(options) == "claude-haiku-4-5");
    options.model = "mine";
    CHECK(chat_model(options) == "mine");
}

TEST_CASE("what can never work stops the start") {
    test::RecordingLog log;
    http::Client client;
    ChatOptions options;
    options.provider = "other";
    CHECK_THROWS_AS(make_chat(options, "extraction", client, log), StartError);
    options.provider = "openai";
    options.url = "localhost:8080";
    CHECK_THROWS_AS(make_chat(options, "extraction", client, log), StartError);
}

TEST_CASE("says at start which model is used for what, without the URL's user") {
    test::RecordingLog log;
    http::Client client;
    ChatOptions options;
    options.url = "http://user:SECRET@localhost:11434";
    make_chat(options, "relational", client, log);
    const auto events = log.named("memoir.llm.configured");
    REQUIRE(events.size() == 1);
    CHECK(events[0].field("endpoint") == "relational");
    CHECK(events[0].field("url") == "http://localhost:11434");
}
