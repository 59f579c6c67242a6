// The matrix: every dialect of the table against the clients: what type it is, what the HINT names, how many
// requests it costs, and that what is learned is learned once.
#include "support/dialects.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "model/chat.hpp"
#include "model/chat_body.hpp"
#include "model/make_embedder.hpp"
#include "support/chat_double.hpp"
#include "support/recording_log.hpp"

using namespace memoir;
using nlohmann::json;
using test::Dialect;
using test::HttpReply;
using test::HttpRequest;
using test::Refusal;

namespace {

FailureType type_of(Refusal refusal) {
    switch (refusal) {
        case Refusal::credentials:
        case Refusal::model:
        case Refusal::billing:
            return FailureType::blocked;
        case Refusal::rate:
            return FailureType::throttled;
        case Refusal::away:
            return FailureType::outage;
        default:
            return FailureType::permanent;
    }
}

bool is_of_embedding(const Dialect& dialect) {
    return dialect.refusal == Refusal::batch || dialect.refusal == Refusal::size ||
           std::string(dialect.api) == "tei" || std::string(dialect.parameter) == "encoding_format";
}

void check_failure(const Dialect& dialect, const Failure& failure, const std::string& role) {
    CHECK(failure.type() == type_of(dialect.refusal));
    CHECK(failure.reason().find("MEMORY") == std::string::npos);
    if (dialect.refusal == Refusal::credentials)
        CHECK(failure.hint.find(role + ".api_key_file") != std::string::npos);
    if (dialect.refusal == Refusal::model) CHECK(failure.hint.find(role + ".model") != std::string::npos);
    if (dialect.refusal == Refusal::billing) CHECK(failure.hint.find("billing") != std::string::npos);
}

struct ChatBench {
    explicit ChatBench(const std::string& provider) : server(provider, {}) {
        options.provider = provider;
        options.url = server.url();
        options.model = "m";
        chat = model::make_chat(options, "extraction", client, log);
    }
    model::ChatReply ask(const std::string& memory) {
        model::ChatRequest request;
        request.stable = "rules";
        request.user = "[[" + memory + "]]";
        request.schema_name = "facts";
        request.schema = R"({"type":"object","properties":{},"required":[],"additionalProperties":false})";
        return chat->complete(request, {});
    }
    test::ChatDouble server;
    http::Client client;
    test::RecordingLog log;
    model::ChatOptions options;
    std::unique_ptr<model::Chat> chat;
};

HttpReply vectors_for(const HttpRequest& request) {
    if (request.target == "/info") return {404, ""};
    const auto body = json::parse(request.body);
    const auto& texts = body.contains("inputs") ? body["inputs"] : body["input"];
    json vectors = json::array(), data = json::array();
    for (std::size_t at = 0; at < texts.size(); ++at) {
        const auto size = static_cast<double>(texts[at].get<std::string>().size());
        vectors.push_back({size, 1.0});
        data.push_back({{"index", at}, {"embedding", vectors.back()}});
    }
    if (request.target == "/embed") return {200, vectors.dump()};
    return {200, json{{"embeddings", vectors}, {"data", data}}.dump()};
}

std::size_t count_of(const HttpRequest& request) {
    const auto body = json::parse(request.body);
    return (body.contains("inputs") ? body["inputs"] : body["input"]).size();
}

struct EmbedderBench {
    EmbedderBench(const std::string& provider, test::HttpDouble::Handler handler)
        : server(std::move(handler)) {
        options.provider = provider;
        options.url = server.url();
        options.model = "m";
        options.dimension = 2;
        embedder = model::make_embedder(options, {}, client, log);
    }
    std::size_t real() const {
        std::size_t count = 0;
        for (const auto& request : server.requests())
            count += request.target != "/info" && request.body.find("\"memoird\"") == std::string::npos;
        return count;
    }
    test::HttpDouble server;
    http::Client client;
    test::RecordingLog log;
    model::EmbeddingOptions options;
    std::unique_ptr<model::Embedder> embedder;
};

std::vector<std::string> texts(std::size_t count) {
    std::vector<std::string> made;
    for (std::size_t at = 1; at <= count; ++at) made.emplace_back(at, 'x');
    return made;
}

}  // namespace

TEST_CASE("a chat server's refusal has its type in every dialect, at once") {
    for (const auto& dialect : test::dialects()) {
        if (is_of_embedding(dialect) || dialect.refusal == Refusal::parameter) continue;
        CAPTURE(dialect.server, dialect.status, dialect.body);
        ChatBench bench(dialect.api);
        bench.server.says([&](const std::string&, const HttpRequest&) { return test::said(dialect); });
        try {
            bench.ask("m1");
            FAIL_CHECK("it should have failed");
        } catch (const Failure& failure) {
            check_failure(dialect, failure, "extraction");
        }
        CHECK(bench.server.calls()["m1"] == 1);
        CHECK(bench.server.canaries() <= 1);
    }
}

TEST_CASE("a parameter that a chat server does not take is left out, and that is learned once") {
    for (const auto& dialect : test::dialects()) {
        if (is_of_embedding(dialect) || dialect.refusal != Refusal::parameter) continue;
        // JSON mode is only asked for where a schema was refused.
        if (std::string(dialect.parameter) == "json_object") continue;
        CAPTURE(dialect.server, dialect.body);
        ChatBench bench(dialect.api);
        bench.server.says([&](const std::string&, const HttpRequest& request) {
            return request.body.find(dialect.parameter) != std::string::npos ? test::said(dialect)
                                                                             : bench.server.facts({"a"});
        });
        bench.ask("m1");
        CHECK(bench.server.calls()["m1"] == 2);
        // What was only tried is learned when a few memories needed it.
        bench.ask("m2");
        bench.ask("m3");
        bench.ask("m4");
        CHECK(bench.server.calls()["m4"] == 1);
        CHECK(bench.log.count("memoir.backend.learned") == 1);
        CHECK(bench.server.canaries() == 0);
    }
}

TEST_CASE("an embedding server's refusal has its type in every dialect, at once") {
    for (const auto& dialect : test::dialects()) {
        if (dialect.refusal == Refusal::batch || dialect.refusal == Refusal::size ||
            dialect.refusal == Refusal::parameter || dialect.refusal == Refusal::filtered ||
            std::string(dialect.api) == "anthropic")
            continue;
        CAPTURE(dialect.server, dialect.status, dialect.body);
        EmbedderBench bench(dialect.api, [&](const HttpRequest& request) {
            const bool probe = request.body.find("\"memoird\"") != std::string::npos;
            return probe || request.target == "/info" ? vectors_for(request) : test::said(dialect);
        });
        try {
            bench.embedder->embed(texts(1), {});
            FAIL_CHECK("it should have failed");
        } catch (const Failure& failure) {
            check_failure(dialect, failure, "embedding");
        }
        CHECK(bench.real() <= 2);
    }
}

TEST_CASE("how many texts an embedding server takes is learned once, for every caller") {
    for (const auto& dialect : test::dialects()) {
        if (dialect.refusal != Refusal::batch) continue;
        CAPTURE(dialect.server, dialect.body);
        EmbedderBench bench(dialect.api, [&](const HttpRequest& request) {
            const bool much = request.target != "/info" && count_of(request) > dialect.most;
            return much ? test::said(dialect) : vectors_for(request);
        });
        const auto all = texts(40);
        const auto vectors = bench.embedder->embed(all, {});
        REQUIRE(vectors.size() == 40);
        for (std::size_t at = 1; at < vectors.size(); ++at) CHECK(vectors[at][0] > vectors[at - 1][0]);
        CHECK(bench.log.count("memoir.backend.learned") >= 1);
        CHECK(bench.log.count("memoir.backend.learned") <= 2);
        // From then on no request is refused.
        const auto learned = bench.log.count("memoir.backend.learned");
        bench.server.forget();
        CHECK(bench.embedder->embed(all, {}).size() == 40);
        for (const auto& request : bench.server.requests())
            if (request.target != "/info") CHECK(count_of(request) <= dialect.most);
        CHECK(bench.log.count("memoir.backend.learned") == learned);
        CHECK(bench.log.count("memoir.breaker.opened") == 0);
    }
}

TEST_CASE("how large a request an embedding server takes is learned from what passes in parts") {
    for (const auto& dialect : test::dialects()) {
        if (dialect.refusal != Refusal::size) continue;
        CAPTURE(dialect.server, dialect.body);
        constexpr std::size_t most = 3'000;
        EmbedderBench bench(dialect.api, [&](const HttpRequest& request) {
            return request.body.size() > most ? test::said(dialect) : vectors_for(request);
        });
        const std::vector<std::string> all(32, std::string(200, 'x'));
        CHECK(bench.embedder->embed(all, {}).size() == 32);
        CHECK(bench.log.count("memoir.backend.learned") >= 1);
        bench.server.forget();
        CHECK(bench.embedder->embed(all, {}).size() == 32);
        for (const auto& request : bench.server.requests()) CHECK(request.body.size() <= most);
        // One text that is too large by itself is its own failure, and teaches nothing.
        try {
            const std::vector<std::string> large{std::string(4'000, 'x')};
            bench.embedder->embed(large, {});
            FAIL_CHECK("it should have failed");
        } catch (const Failure& failure) {
            CHECK(failure.type() == FailureType::permanent);
        }
    }
}

TEST_CASE("a parameter that an embedding server does not take is left out, and that is learned once") {
    for (const auto& dialect : test::dialects()) {
        if (std::string(dialect.parameter) != "encoding_format") continue;
        CAPTURE(dialect.server, dialect.body);
        EmbedderBench bench(dialect.api, [&](const HttpRequest& request) {
            return request.body.find("encoding_format") != std::string::npos ? test::said(dialect)
                                                                             : vectors_for(request);
        });
        bench.embedder->embed(texts(3), {});
        CHECK(bench.real() == 2);
        bench.embedder->embed(texts(3), {});
        CHECK(bench.real() == 3);
        CHECK(bench.log.count("memoir.backend.learned") == 1);
    }
}

TEST_CASE("one text that alone is refused fails alone, and quickly, where others have passed") {
    EmbedderBench bench("openai", [&](const HttpRequest& request) {
        return request.body.find("poison") != std::string::npos ? HttpReply{400, R"({"error":"bad request"})"}
                                                                : vectors_for(request);
    });
    bench.embedder->embed(texts(32), {});
    bench.server.forget();
    auto all = texts(32);
    all[20] = "poison";
    CHECK_THROWS_AS(bench.embedder->embed(all, {}), Failure);
    CHECK(bench.real() == 1);
    CHECK(bench.log.count("memoir.backend.learned") == 0);
    CHECK(bench.embedder->embed(texts(32), {}).size() == 32);
}

TEST_CASE("an unexplained refusal of everything costs few requests") {
    ChatBench bench("openai");
    bench.server.gate([](bool canary) {
        return canary ? HttpReply{} : HttpReply{400, R"({"error":{"message":"no"}})"};
    });
    int requests = 0;
    for (int at = 0; at < 5; ++at) {
        CHECK_THROWS_AS(bench.ask("m" + std::to_string(at)), Failure);
        requests += bench.server.calls()["m" + std::to_string(at)];
    }
    CHECK(requests <= 7);
}

TEST_CASE("every row of the table of errors has the type of its code, and gives nothing away") {
    for (const auto& row : model::error_rows()) {
        CAPTURE(row.text, row.of);
        http::Response response;
        response.status = 400;
        const std::string text(row.text);
        response.body = row.in == model::ErrorRow::In::code
                            ? json{{"error", {{"code", text}, {"message", "SECRET"}}}}.dump()
                            : json{{"error", {{"message", text + " SECRET"}}}}.dump();
        const auto error = model::read_error(response);
        CHECK(error.code == row.code);
        const auto failure =
            model::failure_of(response, error, "extraction", std::chrono::system_clock::now());
        CHECK(failure.reason() == "HTTP 400 (" + std::string(row.code) + ")");
        CHECK((failure.type() != FailureType::blocked || !failure.hint.empty()));
        // In upper case, and as Google has it, it is the same.
        response.body = json::array({json::parse(response.body)}).dump();
        CHECK(model::read_error(response).code == row.code);
    }
}
