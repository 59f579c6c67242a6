// The HTTP embedders over real sockets: what is sent, what is taken from the answers, what failures are
// charged to.
#include "model/http_embedder.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "endpoint/endpoint.hpp"
#include "http/client.hpp"
#include "model/make_embedder.hpp"
#include "support/http_double.hpp"
#include "support/recording_log.hpp"
#include "support/wait.hpp"

using namespace memoir;
using namespace std::chrono_literals;
using model::Embedding;
using nlohmann::json;
using test::HttpDouble;
using test::HttpReply;
using test::HttpRequest;
using Texts = std::vector<std::string>;

namespace {

// A vector of dimension 3 that tells its text by its direction; not of length one.
json vector_for(const std::string& text) {
    return {3.0 * static_cast<double>(text.size()), 4.0, 0.0};
}

Embedding expected(const std::string& text) {
    const double x = 3.0 * static_cast<double>(text.size()), norm = std::sqrt(x * x + 16);
    return {static_cast<float>(x / norm), static_cast<float>(4 / norm), 0.0F};
}

json inputs_of(const HttpRequest& request) {
    const auto body = json::parse(request.body);
    return body.contains("inputs") ? body["inputs"] : body["input"];
}

// Answers as the provider does.
HttpReply embed(const HttpRequest& request) {
    if (request.target == "/info") return {200, R"({"max_client_batch_size": 4, "max_input_length": 512})"};
    json vectors = json::array();
    for (const auto& text : inputs_of(request)) vectors.push_back(vector_for(text));
    if (request.target == "/embed") return {200, vectors.dump()};
    if (request.target == "/api/embed") return {200, json{{"model", "m"}, {"embeddings", vectors}}.dump()};
    json data = json::array();  // out of order on purpose
    for (std::size_t i = vectors.size(); i-- > 0;) data.push_back({{"index", i}, {"embedding", vectors[i]}});
    return {200, json{{"data", data}}.dump()};
}

bool is_probe(const HttpRequest& request) {
    return request.body.find("\"memoird\"") != std::string::npos;
}

struct Setup {
    explicit Setup(const std::string& provider, HttpDouble::Handler handler = embed)
        : server(std::move(handler)) {
        options.provider = provider;
        options.url = server.url();
        options.model = "m";
        options.dimension = 3;
        options.timeout = 5s;
    }
    model::Embedder& embedder() {
        if (!made) made = model::make_embedder(options, {}, client, log);
        return *made;
    }
    std::vector<Embedding> embed_all(const Texts& texts) { return embedder().embed(texts, {}); }
    Failure failure(const Texts& texts, std::stop_token stop = {}) {
        try {
            embedder().embed(texts, stop);
        } catch (const Failure& failure) {
            return failure;
        }
        throw std::runtime_error("it did not fail");
    }

    HttpDouble server;
    http::Client client;
    test::RecordingLog log;
    model::EmbeddingOptions options;
    std::unique_ptr<model::Embedder> made;
};

HttpReply answer(int status, const std::string& body,
                 std::vector<std::pair<std::string, std::string>> headers = {}) {
    return {status, body, std::move(headers)};
}

// The provider answers every call of its own with `reply`, and probes as it should.
HttpDouble::Handler always(HttpReply reply) {
    return [reply](const HttpRequest& request) {
        return is_probe(request) || request.target == "/info" ? embed(request) : reply;
    };
}

}  // namespace

TEST_CASE("gives the server's vectors in the texts' order, with length one") {
    for (const auto* provider : {"ollama", "openai", "tei"}) {
        INFO(provider);
        Setup setup(provider);
        const Texts texts = {"a", "bb", "ccc"};
        const auto vectors = setup.embed_all(texts);
        REQUIRE(vectors.size() == 3);
        for (std::size_t i = 0; i < texts.size(); ++i)
            for (std::size_t n = 0; n < 3; ++n) CHECK(vectors[i][n] == Approx(expected(texts[i])[n]));
        CHECK(setup.embedder().dimension() == 3);
        CHECK(setup.embedder().model() == "m");
        CHECK(setup.embedder().endpoint() != nullptr);
        setup.server.forget();
        CHECK(setup.embed_all({}).empty());
        CHECK(setup.server.requests().empty());
    }
}

TEST_CASE("asks ollama to cut long texts, with the model's name") {
    Setup setup("ollama");
    setup.options.api_key = Secret("k1");
    setup.embed_all({"x"});
    const auto request = setup.server.requests().at(0);
    CHECK(request.target == "/api/embed");
    CHECK(request.headers.at("authorization") == "Bearer k1");
    CHECK(json::parse(request.body) == json{{"model", "m"}, {"input", {"x"}}, {"truncate", true}});
}

TEST_CASE("asks openai for floats, and for a dimension only where the model has several") {
    Setup setup("openai");
    setup.embed_all({"x"});
    const auto request = setup.server.requests().at(0);
    CHECK(request.target == "/v1/embeddings");
    CHECK(request.headers.count("authorization") == 0);
    CHECK(json::parse(request.body) == json{{"model", "m"}, {"input", {"x"}}, {"encoding_format", "float"}});

    Setup large("openai");
    large.options.model = "text-embedding-3-large";
    large.options.url += "/v1/";
    large.embed_all({"x"});
    CHECK(large.server.requests().at(0).target == "/v1/embeddings");
    CHECK(json::parse(large.server.requests().at(0).body)["dimensions"] == 3);
}

TEST_CASE("takes vectors in base64, whatever was asked for") {
    Setup setup("openai", [](const HttpRequest&) {
        // 3.0, 4.0, 0.0 as little-endian floats
        return HttpReply{200, R"({"data":[{"index":0,"embedding":"AABAQAAAgEAAAAAA"}]})"};
    });
    const auto vectors = setup.embed_all({"x"});
    CHECK(vectors.at(0)[0] == Approx(0.6));
    CHECK(vectors.at(0)[1] == Approx(0.8));
    setup.server.handle(always({200, R"({"data":[{"index":0,"embedding":"AABA*"}]})"}));
    CHECK(setup.failure({"x"}).type() == FailureType::job);  // no answer, and the probe passed
}

TEST_CASE("splits what it is given by the limits that tei names, and asks for them once") {
    Setup setup("tei");
    const Texts ten(10, "text");
    CHECK(setup.embed_all(ten).size() == 10);
    CHECK(setup.embed_all(ten).size() == 10);
    std::vector<std::size_t> sizes;
    for (const auto& request : setup.server.requests()) {
        if (request.target == "/info") {
            CHECK(request.method == "GET");
            sizes.push_back(0);
        } else {
            CHECK(json::parse(request.body)["truncate"] == true);
            sizes.push_back(inputs_of(request).size());
        }
    }
    CHECK(sizes == std::vector<std::size_t>{0, 4, 4, 2, 4, 4, 2});
}

TEST_CASE("assumes tei's usual limits where it does not tell them") {
    Setup setup("tei", [](const HttpRequest& request) {
        return request.target == "/info" ? answer(404, "") : embed(request);
    });
    CHECK(setup.embed_all(Texts(40, "text")).size() == 40);
    CHECK(inputs_of(setup.server.requests().at(1)).size() == 32);
}

TEST_CASE("asks tei for its limits again after it refused a batch") {
    Setup setup("tei");
    setup.embed_all({"a"});
    setup.server.handle(always(answer(422, R"({"error":"batch size 4 > maximum allowed batch size 2"})")));
    CHECK(setup.failure({"a", "b"}).type() == FailureType::permanent);
    setup.server.handle(embed);
    setup.server.forget();
    setup.embed_all({"a"});
    CHECK(setup.server.requests().at(0).target == "/info");
}

TEST_CASE("keeps an openai request to 2,048 texts and 300,000 bytes") {
    Setup setup("openai");
    CHECK(setup.embed_all(Texts(2'050, "x")).size() == 2'050);
    CHECK(inputs_of(setup.server.requests().at(0)).size() == 2'048);
    setup.server.forget();
    const std::string large(200'000, 'y'), huge(400'000, 'z');
    CHECK(setup.embed_all({large, "x", large, huge, "x"}).size() == 5);
    std::vector<std::size_t> sizes;
    for (const auto& request : setup.server.requests()) sizes.push_back(inputs_of(request).size());
    CHECK(sizes == std::vector<std::size_t>{2, 1, 1, 1});
}

TEST_CASE("says of an empty text that ollama does not embed it, without asking") {
    Setup setup("ollama");
    const auto failure = setup.failure({"a", ""});
    CHECK(failure.type() == FailureType::permanent);
    CHECK(failure.reason() == "the text is empty, which ollama does not embed");
    CHECK(setup.server.requests().empty());
    // Compatible servers and tei do embed it.
    CHECK(Setup("openai").embed_all({""}).size() == 1);
    CHECK(Setup("tei").embed_all({""}).size() == 1);
}

TEST_CASE("blocks with both numbers and a hint when the server's model has another dimension") {
    for (const auto* provider : {"ollama", "openai", "tei"}) {
        INFO(provider);
        Setup setup(provider);
        setup.options.dimension = 384;
        const auto failure = setup.failure({"text"});
        CHECK(failure.type() == FailureType::blocked);
        CHECK(failure.reason() == "the server gives vectors of dimension 3, the configuration says 384");
        CHECK(failure.hint.find("embedding.dimension") != std::string::npos);
        CHECK(setup.embedder().endpoint()->snapshot().state == endpoint::State::open);
    }
}

TEST_CASE("finds a wrong dimension when it is tried at the start") {
    Setup setup("ollama");
    setup.options.dimension = 384;
    CHECK_FALSE(setup.embedder().endpoint()->probe_if_due({}, true));
    CHECK(setup.embedder().endpoint()->snapshot().why == FailureType::blocked);
    CHECK(inputs_of(setup.server.requests().at(0)) == json{"memoird"});

    Setup right("ollama");
    CHECK(right.embedder().endpoint()->probe_if_due({}, true));
}

TEST_CASE("charges what servers answer as the table says") {
    struct Row {
        const char* provider;
        int status;
        const char* body;
        FailureType type;
    };
    // The probe passes in all of them, so that an ambiguous one is the job's.
    const Row rows[] = {
        {"ollama", 400, R"({"error":"the input length exceeds the context length"})", FailureType::permanent},
        {"ollama", 400, R"({"error":"\"m\" does not support embeddings"})", FailureType::blocked},
        {"ollama", 404, R"({"error":"model 'm' not found"})", FailureType::blocked},
        {"ollama", 404, "404 page not found", FailureType::blocked},
        {"ollama", 500, R"({"error":"no input provided"})", FailureType::permanent},
        {"ollama", 500, R"({"error":"model runner has unexpectedly stopped"})", FailureType::job},
        {"ollama", 503, R"({"error":"server busy, please try again"})", FailureType::throttled},
        {"ollama", 502, R"({"error":"unreachable"})", FailureType::outage},
        {"openai", 401, R"({"error":{"code":"invalid_api_key"}})", FailureType::blocked},
        {"openai", 429, R"({"error":{"type":"insufficient_quota","code":null}})", FailureType::blocked},
        {"openai", 429, R"({"error":{"code":"rate_limit_exceeded"}})", FailureType::throttled},
        {"openai", 400, R"({"error":{"code":"context_length_exceeded"}})", FailureType::permanent},
        {"openai", 400, R"({"error":{"message":"This model's maximum context length is 8192"}})",
         FailureType::permanent},
        {"openai", 500, R"({"error":{"message":"input is too large to process"}})", FailureType::permanent},
        {"openai", 503, "Slow Down", FailureType::outage},
        {"tei", 413, R"({"error":"payload too large"})", FailureType::permanent},
        {"tei", 422, R"({"error":"x","error_type":"Validation"})", FailureType::permanent},
        {"tei", 424, R"({"error":"x","error_type":"Backend"})", FailureType::job},
        {"tei", 429, R"({"error":"Model is overloaded","error_type":"Overloaded"})", FailureType::throttled},
        {"tei", 503, R"({"error":"x","error_type":"Unhealthy"})", FailureType::outage},
        // A 200 that is no answer of that API, or of another number of vectors.
        {"ollama", 200, "<html>", FailureType::job},
        {"ollama", 200, R"({"embeddings":[]})", FailureType::job},
        {"openai", 200, R"({"data":[{"index":0,"embedding":[1,2,3]},{"index":0,"embedding":[1,2,3]}]})",
         FailureType::job},
        {"openai", 200, R"({"data":[{"index":7,"embedding":[1,2,3]}]})", FailureType::job},
        {"tei", 200, R"([1, 2, 3])", FailureType::job},
        // Components that are none.
        {"tei", 200, R"([[1, null, 3]])", FailureType::job},
        {"tei", 200, R"([[0, 0, 0]])", FailureType::job},
    };
    for (const auto& row : rows) {
        INFO(row.provider << " " << row.status << " " << row.body);
        Setup setup(row.provider, always(answer(row.status, row.body)));
        const auto failure = setup.failure({"the secret text"});
        CHECK(failure.type() == row.type);
        CHECK(failure.endpoint == "embedding");
        CHECK(failure.reason().find("secret") == std::string::npos);
        if (row.type == FailureType::blocked) CHECK(failure.hint.empty() == false);
    }
}

TEST_CASE("never repeats a server's words") {
    const std::string echo =
        R"({"error":{"message":"cannot embed: my PIN is 1234","code":"my PIN is 1234"}})";
    for (const int status : {400, 401, 404, 409, 422, 429, 500, 503}) {
        Setup setup("openai", always(answer(status, echo)));
        const auto failure = setup.failure({"my PIN is 1234"});
        CHECK(failure.reason().find("PIN") == std::string::npos);
        CHECK(failure.hint.find("PIN") == std::string::npos);
        for (const auto& event : setup.log.events()) {
            CHECK(event.message.find("PIN") == std::string::npos);
            for (const auto& [key, value] : event.fields) CHECK(value.find("PIN") == std::string::npos);
        }
    }
}

TEST_CASE("waits as long as the server says") {
    Setup setup("tei", always(answer(429, R"({"error":"x"})", {{"Retry-After", "7"}})));
    const auto failure = setup.failure({"a"});
    CHECK(failure.type() == FailureType::throttled);
    REQUIRE(failure.retry_after.has_value());
    CHECK(*failure.retry_after > 5s);
}

TEST_CASE("takes a server that is away, or fails for all, as an outage") {
    Setup away("ollama");
    away.embedder();
    away.server.stop();
    CHECK(away.failure({"a"}).type() == FailureType::outage);

    for (const auto fault : {HttpReply::Fault::reset, HttpReply::Fault::cut, HttpReply::Fault::close}) {
        Setup setup("ollama", [fault](const HttpRequest&) {
            return HttpReply{200, "{\"embeddings\":[]}", {}, fault};
        });
        CHECK(setup.failure({"a"}).type() == FailureType::outage);
    }
    Setup broken("ollama", [](const HttpRequest&) { return answer(500, R"({"error":"x"})"); });
    CHECK(broken.failure({"a"}).type() == FailureType::outage);
}

TEST_CASE("gives up on a hung server at the time-out") {
    Setup setup("ollama", [](const HttpRequest&) { return HttpReply{200, "", {}, HttpReply::Fault::hang}; });
    setup.options.timeout = 200ms;
    CHECK(setup.failure({"a"}).type() == FailureType::outage);
}

TEST_CASE("is cancelled at once in a call") {
    Setup setup("ollama", [](const HttpRequest&) { return HttpReply{200, "", {}, HttpReply::Fault::hang}; });
    setup.embedder();
    std::stop_source stop;
    std::jthread stopper([&] {
        test::eventually([&] { return !setup.server.requests().empty(); });
        stop.request_stop();
    });
    const auto begin = std::chrono::steady_clock::now();
    CHECK(setup.failure({"a"}, stop.get_token()).type() == FailureType::cancelled);
    CHECK(std::chrono::steady_clock::now() - begin < 4s);  // the call's own time-out is 5 s
}

TEST_CASE("refuses a provider or URL that is none, without showing the URL") {
    Setup setup("ollama");
    setup.options.url = "ftp://user:hunter2@host";
    try {
        setup.embedder();
        FAIL("made");
    } catch (const StartError& error) {
        CHECK(error.problem() == "embedding.url is no URL of an HTTP server");
        CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
    }
    setup.options.provider = "cohere";
    CHECK_THROWS_AS(setup.embedder(), StartError);
}
